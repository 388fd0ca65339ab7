"""Addresses that the server listens on: ``HOST:PORT``, ``unix:PATH``, ``unix-abstract:NAME``."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterator

MAX_PORT = 65_535

_UNIX = ("unix:", "unix-abstract:")


class BindError(OSError):
    """An address cannot be bound; the message says which and what to do."""


def checked_bind(bind: str) -> str:
    """Return the address.

    >>> checked_bind("127.0.0.1:50051")
    '127.0.0.1:50051'

    Raises:
        ValueError: it has no port that can be listened on.
    """
    # gRPC takes a port out of range, or none, for some other one and listens there.
    if bind.startswith(_UNIX):
        return bind
    port = bind.rpartition(":")[2] if ":" in bind else ""
    if not (port.isascii() and port.isdigit() and int(port) <= MAX_PORT):
        raise ValueError(f"expected HOST:PORT with a port from 0 to {MAX_PORT}, or unix:PATH, got {bind!r}")
    return bind


def host_of(bind: str) -> str:
    """Return the host of ``HOST:PORT``, without the brackets of IPv6.

    >>> host_of("[::1]:50051")
    '::1'
    """
    return bind.rpartition(":")[0].strip("[]")


def port_of(bind: str) -> int:
    """Return the port of ``HOST:PORT``.

    >>> port_of("127.0.0.1:50051")
    50051
    """
    return int(bind.rpartition(":")[2])


def at_port(bind: str, port: int) -> str:
    """Return the address with the port that was taken for it; unix sockets, whose port is 0, stay as they are.

    >>> at_port("127.0.0.1:0", 50051)
    '127.0.0.1:50051'
    """
    return f"{bind.rpartition(':')[0]}:{port}" if port else bind


@contextlib.contextmanager
def shared_port(bind: str) -> Iterator[int]:
    """Keep a port for the forks of this process, which may each listen on it, and for nobody else; the value is it.

    A port of 0 takes a free one.

    Raises:
        BindError: the port is in use or the address is not of this machine.
    """
    host, port = host_of(bind), port_of(bind)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            # Without the option that shares a port: somebody else's server must be noticed, whoever shares with it.
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
            address = alone.getsockname()
    except OSError as error:
        raise cannot_listen(bind) from error
    # Bound and never listening: it gets no connections.
    with socket.socket(family, socket.SOCK_STREAM) as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            kept.bind(address)
        except OSError as error:
            raise cannot_listen(bind) from error
        yield kept.getsockname()[1]


def cannot_listen(bind: str, option: str = "--bind") -> BindError:
    """Return what to say of an address that cannot be listened on; `option` is how another one is chosen."""
    return BindError(
        f"cannot listen on {bind}: the port is in use or the address is not of this machine; "
        f"choose another one with {option} HOST:PORT"
    )


def is_loopback(bind: str) -> bool:
    """True for addresses that only this machine can reach; host names other than localhost are not resolved.

    >>> is_loopback("127.0.0.1:50051"), is_loopback("[::1]:1"), is_loopback("0.0.0.0:50051")
    (True, True, False)
    """
    if bind.startswith(_UNIX):
        return True
    host = host_of(bind)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
