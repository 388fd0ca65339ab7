"""Where a server listens."""

from ipaddress import ip_address

DEFAULT_SERVER = "127.0.0.1:50051"


def is_loopback(server: str) -> bool:
    """Whether `server` ("host:port", "[::1]:port" or "unix:path") is on this machine.

    >>> [is_loopback(server) for server in ("127.0.0.1:50051", "[::1]:50051", "unix:/run/x", "example.org:50051")]
    [True, True, True, False]
    """
    if server.startswith(("unix:", "unix-abstract:")):
        return True
    host = server.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
