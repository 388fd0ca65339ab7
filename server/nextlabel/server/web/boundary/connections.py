"""Connections to the pages: so many at a time that files are left to the stores, none without a request for long."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from nextlabel.server.system.open_files import open_files_allowed

_MOST = 4_096
_SHARE_OF_FILES = 4


class BoundedConnection(H11Protocol):
    """One HTTP connection. Nobody who opens it has shown a token yet.

    `most` connections are open at a time; further ones are closed at once. The head of a request has to be there
    `head_s` after the connection, or the answer before it; each further part of its body `body_s` after the one before.
    """

    most = _MOST
    head_s = 30.0
    body_s = 60.0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, or close at once."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
        else:
            self._wait(self.head_s)

    def data_received(self, data: bytes) -> None:
        """Wait anew for each part of a body, but not for each part of a head."""
        super().data_received(data)
        match self.conn.their_state:
            case h11.IDLE:
                self._wait(self.head_s)
            case h11.SEND_BODY:
                self._stop_waiting()
                self._wait(self.body_s)
            case _:
                self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the wait."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self, seconds: float) -> None:
        if self._patience is None and not self.transport.is_closing():
            self._patience = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if self.flow.read_paused:
            # It is we who are slow: what has come is not taken yet.
            self._wait(self.body_s)
        else:
            self.transport.abort()


def bounded_connections() -> type[BoundedConnection]:
    """Connections of a server in this process: at most a quarter of the files that it may have open."""
    most = min(_MOST, open_files_allowed() // _SHARE_OF_FILES)
    return type("BoundedConnection", (BoundedConnection,), {"most": most})
