"""Where a server listens."""

from ipaddress import ip_address

DEFAULT_SERVER = "127.0.0.1:50051"

_MAX_PORT = 65_535
_SCHEMES = ("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:", "xds:")


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


def checked_server(server: str) -> str:
    """The address as it is, when gRPC can mean nothing else by it.

    >>> checked_server("example.org:50051"), checked_server("[::1]:50051")
    ('example.org:50051', '[::1]:50051')

    Raises ValueError for anything but HOST:PORT with a port from 1 to 65535, or an address with a scheme of gRPC.
    """
    if server.startswith(_SCHEMES):
        return server
    host, colon, port = server.rpartition(":")
    if "://" in server:
        wrong = "leave the part up to :// out; connect(tls=True), or --tls, encrypts"
    elif not colon or not host or server.endswith("]"):
        wrong = "name the host and the port"
    elif any(character.isspace() or not character.isprintable() for character in server):
        wrong = "there is a space or a control character in it"
    elif not (port.isascii() and port.isdigit() and 1 <= int(port) <= _MAX_PORT):
        # gRPC takes such a port modulo 65536 and would call a server that nobody named.
        wrong = f"the port is a number from 1 to {_MAX_PORT:,}"
    else:
        return server
    raise ValueError(f"server: {server!r} is no address such as {DEFAULT_SERVER}: {wrong}")
