"""Origins: scheme, host and port, which is what a credential is bound to (RFC 6454)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from nextlabel.server.system.addresses import MAX_PORT

_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a URL leads: two URLs of one origin reach the same server."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Return the origin of an HTTP URL.

        >>> str(Origin.of("https://LLM.example:443/v1")), str(Origin.of("http://[::1]:8080"))
        ('https://llm.example', 'http://[::1]:8080')

        Raises:
            ValueError: it is no absolute http or https URL with a host and a port from 1 to 65535, or carries a user
                name, a password, a query or a fragment.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(f"expected a port from 1 to {MAX_PORT} and a host such as name or [::1]") from None
        if parts.scheme not in _PORTS or not parts.hostname or any(c.isspace() or c < "!" for c in url):
            raise ValueError("expected a URL such as https://host:port/path")
        if parts.username is not None or parts.password is not None or "?" in url or "#" in url:
            raise ValueError("a base URL has no user name, no password, no query and no fragment")
        if port == 0:
            raise ValueError(f"expected a port from 1 to {MAX_PORT}, got 0")
        return cls(parts.scheme, parts.hostname.rstrip("."), port or _PORTS[parts.scheme])

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can be meant; host names other than localhost are not resolved."""
        if self.host == "localhost":
            return True
        address = _parsed(self.host)
        return address is not None and address.is_loopback

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")


def is_address(host: str) -> bool:
    """True for an IP address, false for a name."""
    return _parsed(host) is not None


def is_private(address: str) -> bool:
    """True for an IP address that the public internet does not route: loopback, private, link-local, reserved.

    >>> is_private("10.0.0.1"), is_private("169.254.169.254"), is_private("::ffff:127.0.0.1"), is_private("1.1.1.1")
    (True, True, True, False)
    """
    parsed = _parsed(address)
    if parsed is None:
        return False
    return any(not one.is_global or one.is_multicast for one in (parsed, *_embedded(parsed)))


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None


def _embedded(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """Return the IPv4 addresses that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found = [one for one in (address.ipv4_mapped, address.sixtofour) if one is not None]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return found
