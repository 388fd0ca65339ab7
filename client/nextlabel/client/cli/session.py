"""Which server a command talks to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nextlabel.client.cli.output.patience import COMPUTING, patience
from nextlabel.client.transport.addresses import DEFAULT_SERVER

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.client.cli.profiles import Profile


@dataclass(frozen=True, slots=True)
class Session:
    """The global options, as given."""

    server: str | None = None
    token: str | None = None
    profile: str | None = None
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    insecure: bool = False
    timeout_s: float = 30.0

    def connect(self) -> "Client":
        """A client of the server that options, environment and profile name, in this order.

        A profile that was asked for by name comes before the environment. The token of a profile goes to the
        server of that profile only.
        """
        # Each attempt at a handshake that fails would be logged among the output; the error says it once. gRPC reads
        # the variable when it is imported.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        from nextlabel.client import Tls, connect

        profile = self._profile()
        server = self.server or (None if self.profile else os.environ.get("NEXTLABEL_SERVER"))
        from_profile = server is None
        token = self.token
        if token is None and not self.profile:
            token = os.environ.get("NEXTLABEL_TOKEN") or None
        if token is None and from_profile:
            token = profile.token
        ca = self.ca or (profile.ca if from_profile else None)
        certificate = self.certificate or (profile.certificate if from_profile else None)
        key = self.key or (profile.key if from_profile else None)
        encrypted = self.tls or bool(ca or certificate) or (from_profile and profile.tls)
        return connect(
            server or profile.server or DEFAULT_SERVER,
            token=token,
            tls=Tls(ca, certificate, key) if encrypted else False,
            insecure=self.insecure,
            timeout_s=self.timeout_s,
        )

    @contextmanager
    def computing(self) -> "Iterator[Client]":
        """The same for what the server has to compute first, which says so where that takes long."""
        with self.connect() as client, patience(COMPUTING):
            yield client

    def _profile(self) -> "Profile":
        from nextlabel.client.cli.profiles import Profile, load_profile

        # A server that was named makes the profile superfluous, and its file need not even be readable.
        return Profile() if self.server else load_profile(self.profile)


def session(ctx: typer.Context) -> Session:
    """The session of the command that runs."""
    found = ctx.find_object(Session)
    assert found is not None, "the root command makes the session"
    return found
