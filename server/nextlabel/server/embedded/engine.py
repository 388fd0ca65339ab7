"""A server within this process, without a port: what serves and what asks share one event loop in a thread."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from nextlabel.client.clients import Client
from nextlabel.client.transport.connection import LONG_CALL_S, Connection, Target
from nextlabel.client.transport.modes import Blocking
from nextlabel.server.api.boundary.logs import leave_logs_to_the_program
from nextlabel.server.app import running
from nextlabel.server.embedded.folders import PassingFolder
from nextlabel.server.settings.settings import Settings, load_settings


class Engine:
    """Serves a data directory to its own ``client`` until `close`, over a unix socket that only this user can reach.

    It may be shared between threads, and works where an event loop runs, as in notebooks. It belongs to the process
    that opened it. Ending without `close` loses nothing: what was acknowledged is durable.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, Any] | None = None) -> None:
        """Open the data directory.

        Args:
            settings: sections of `Settings` besides where things are kept and served, which no variable of the
                environment changes.

        Raises:
            DomainError: the data directory is in use, not writable, or of a newer version.
            SettingsError: a setting, or a variable of the environment that holds one, is wrong.
        """
        leave_logs_to_the_program()
        self._process = os.getpid()
        self._closing = threading.Lock()
        self._private = PassingFolder()
        self._mode = Blocking()
        self._serving = AsyncExitStack()
        address = f"unix:{self._private.path}/api.sock"
        try:
            server = running(_settings(data_dir, address, settings or {}))
            self._mode.run(self._serving.enter_async_context(server))
        except BaseException:
            self._mode.close()
            self._private.remove()
            raise
        self._connection = Connection(Target(address, None, None, LONG_CALL_S))
        self._client = Client(self._connection, self._mode)
        atexit.register(self._close_at_exit)

    @property
    def client(self) -> Client:
        """The client of this server.

        Raises:
            RuntimeError: this is a fork of the process that opened it.
        """
        if not self.is_ours:
            raise RuntimeError(
                f"the engine belongs to process {self._process}, which forked this one; open another one here"
            )
        return self._client

    @property
    def is_ours(self) -> bool:
        """Whether this process opened it; a fork has none of its threads."""
        return os.getpid() == self._process

    def close(self) -> None:
        """End calls under way, finish what is queued, and let others have the data directory; again is no error."""
        if not self.is_ours:
            return
        with self._closing:
            if self._connection.is_closed:
                return
            atexit.unregister(self._close_at_exit)
            try:
                self._mode.run(self._connection.close())
                self._mode.run(self._serving.aclose())
            finally:
                self._mode.close()
                self._private.remove()

    def _close_at_exit(self) -> None:
        # Threads that finish what is queued have ended by now, and nothing acknowledged needs them.
        with suppress(RuntimeError):
            self.close()


def _settings(data_dir: Path, address: str, given: Mapping[str, Any]) -> Settings:
    """Return settings that keep everything in the folder and serve nobody else, whatever the environment says."""
    alone = {
        "data_dir": data_dir,
        "bind": address,
        "workers": 1,
        "web": {"bind": None},
        "metrics": {"bind": None},
        "auth": {"required": False, "admin_token": None},
        "tls": {"certificate": None, "key": None, "client_ca": None, "client_roles": {}},
        "store": {"url": None, "pool_url": None},
        "api": {"reflection": False},
    }
    return load_settings({**given, **alone})
