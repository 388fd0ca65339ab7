"""Addresses that the server listens on: ``HOST:PORT``, ``unix:PATH``, ``unix-abstract:NAME``."""

from __future__ import annotations

import ipaddress

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


def is_loopback(bind: str) -> bool:
    """True for addresses that only this machine can reach; host names other than localhost are not resolved.

    >>> is_loopback("127.0.0.1:50051"), is_loopback("[::1]:1"), is_loopback("0.0.0.0:50051")
    (True, True, False)
    """
    if bind.startswith(_UNIX):
        return True
    host = bind.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
