"""The two clients and how to get one."""

import os
from types import TracebackType
from typing import Generic, Self

from nextlabel.client.handles import ProjectHandle
from nextlabel.client.services.access import Access
from nextlabel.client.services.budgets import Budgets
from nextlabel.client.services.guidelines import Guidelines
from nextlabel.client.services.labeling import Labeling
from nextlabel.client.services.learner import Learner
from nextlabel.client.services.pool import Pool
from nextlabel.client.services.projects import Projects
from nextlabel.client.services.quality import Quality
from nextlabel.client.services.reports import Reports
from nextlabel.client.services.runs import Runs
from nextlabel.client.services.synthesis import Synthesis
from nextlabel.client.services.texts import Texts
from nextlabel.client.transport.addresses import DEFAULT_SERVER, checked_server, is_loopback
from nextlabel.client.transport.arguments import checked_seconds
from nextlabel.client.transport.calls import Mode, OfServer
from nextlabel.client.transport.channel import Tls
from nextlabel.client.transport.connection import Connection, Target
from nextlabel.client.transport.modes import Awaiting, Blocking
from nextlabel.client.transport.references import is_sendable


class _Services(Generic[Mode]):
    """The services of one server, whose calls name the project that they mean."""

    def __init__(self, connection: Connection, mode: Mode | None = None) -> None:
        if mode is None:
            raise TypeError('a client is made by connect("host:port"), or by connect_async')
        self._connection = connection
        self._mode: Mode = mode
        self.projects: Projects[Mode] = Projects(connection, mode)
        self.pool: Pool[Mode, OfServer] = Pool(connection, mode)
        self.labeling: Labeling[Mode, OfServer] = Labeling(connection, mode)
        self.learner: Learner[Mode, OfServer] = Learner(connection, mode)
        self.runs: Runs[Mode, OfServer] = Runs(connection, mode)
        self.guidelines: Guidelines[Mode, OfServer] = Guidelines(connection, mode)
        self.budgets: Budgets[Mode, OfServer] = Budgets(connection, mode)
        self.reports: Reports[Mode, OfServer] = Reports(connection, mode)
        self.quality: Quality[Mode, OfServer] = Quality(connection, mode)
        self.synthesis: Synthesis[Mode, OfServer] = Synthesis(connection, mode)
        self.texts: Texts[Mode, OfServer] = Texts(connection, mode)
        self.access: Access[Mode] = Access(connection, mode)

    def project(self, name: str) -> ProjectHandle[Mode]:
        """A project by its name: the same calls, none of which has to name it. Nothing is sent."""
        return ProjectHandle(self._connection, self._mode, name)


class Client(_Services[Blocking]):
    """The blocking client. It may be shared between threads, but not with a forked process."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, cancelling what is under way; calls after it raise ClosedError."""
        if not self._connection.is_closed:
            self._mode.run(self._connection.close())
            self._mode.close()


class AsyncClient(_Services[Awaiting]):
    """The client for asyncio. It belongs to the event loop of its first call."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection, cancelling what is under way; calls after it raise ClosedError."""
        await self._connection.close()


def connect(
    server: str | None = None,
    *,
    token: str | None = None,
    tls: Tls | bool = False,
    insecure: bool = False,
    timeout_s: float = 30.0,
) -> Client:
    """Connect to a server ("host:port") for blocking calls; the first call opens the connection.

    Without `server` it is NEXTLABEL_SERVER, else 127.0.0.1:50051; without `token` it is NEXTLABEL_TOKEN, else
    none. `tls` is True for a server with a certificate of a public authority, or a Tls. A token does not go to
    another machine without TLS unless `insecure` allows it. `timeout_s` is the deadline of each short call.

    Raises ValueError when the settings contradict each other, and for an address that is none.
    """
    return Client(Connection(_target(server, token, tls, insecure, timeout_s)), Blocking())


def connect_async(
    server: str | None = None,
    *,
    token: str | None = None,
    tls: Tls | bool = False,
    insecure: bool = False,
    timeout_s: float = 30.0,
) -> AsyncClient:
    """Connect to a server for asyncio: `async with connect_async() as client`. Arguments as for `connect`."""
    return AsyncClient(Connection(_target(server, token, tls, insecure, timeout_s)), Awaiting())


def _target(server: str | None, token: str | None, tls: Tls | bool, insecure: bool, timeout_s: float) -> Target:
    server = checked_server(server or os.environ.get("NEXTLABEL_SERVER") or DEFAULT_SERVER)
    if token is not None and not token.strip():
        raise ValueError("token: it is empty; leave it out for a server that needs none")
    token = (token or os.environ.get("NEXTLABEL_TOKEN") or "").strip() or None
    if token is not None and not is_sendable(token):
        raise ValueError("token: it holds a space or another character that no token has; copy it again")
    if token and not tls and not insecure and not is_loopback(server):
        raise ValueError(f"tls: the token would go to {server} unencrypted; turn TLS on, or allow it with insecure")
    timeout_s = checked_seconds(timeout_s, "timeout_s")
    if isinstance(tls, bool):
        return Target(server, token, Tls() if tls else None, timeout_s)
    return Target(server, token, tls, timeout_s)
