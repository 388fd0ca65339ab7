"""HTTP to LLM servers: bounded in time and size, no redirects, no echoed credentials, faults that say what they are."""

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextlabel.server.annotators.endpoints.echoes import credentials, without
from nextlabel.server.annotators.endpoints.wire import Failure, FailureKind
from nextlabel.server.system.origins import Origin, is_address, is_private

if TYPE_CHECKING:
    import aiohttp
    import httpx2

MAX_REPLY_BYTES = 4 * 2**20
"""An answer of the longest text that is kept is a tenth of this."""
_CONNECT_S = 30.0


@dataclass(frozen=True, slots=True)
class Network:
    """How connections leave this machine.

    proxy:            URL of an HTTP proxy; never used for this machine's own addresses
    ca_file:          certificate authorities trusted besides the usual ones, PEM
    public_only:      refuse loopback, private and link-local addresses, also behind a host name
    max_connections:  connections open at a time
    max_reply_bytes:  a longer reply is given up
    """

    proxy: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    public_only: bool = False
    max_connections: int = 256
    max_reply_bytes: int = MAX_REPLY_BYTES


class TransportFaultError(Exception):
    """No reply, for the reason that `failure` names."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


def open_client(network: Network) -> "httpx2.AsyncClient":
    """An HTTP client on aiohttp, which takes half the CPU of its default transport. Call it in a running event loop.

    A request's read timeout bounds the whole attempt, the last byte of the reply included. Raises
    `TransportFaultError` instead of the errors of HTTP libraries.
    """
    import httpx2

    transport: Any = _Transport(network)
    return httpx2.AsyncClient(transport=transport, follow_redirects=False, trust_env=False)


def failure_in(error: BaseException) -> Failure | None:
    """The failure behind an error that a library has made of a `TransportFaultError`."""
    return next((one.failure for one in _causes(error) if isinstance(one, TransportFaultError)), None)


class _Transport:
    """Has the shape of `httpx2.AsyncBaseTransport`, which is not imported before the first connection."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: "httpx2.Request") -> "httpx2.Response":
        """Exchange a request for the whole reply."""
        import httpx2

        origin = Origin.of(f"{request.url.scheme}://{request.url.netloc.decode()}")
        proxy = None if origin.is_loopback else self._network.proxy
        if self._network.public_only and is_address(origin.host) and is_private(origin.host):
            raise TransportFaultError(_forbidden(origin))
        limit_s = request.extensions.get("timeout", {}).get("read")
        try:
            async with asyncio.timeout(limit_s):
                status, headers, body = await self._exchange(request, proxy)
        except Exception as error:
            raise TransportFaultError(_failure(error, origin)) from error
        secrets = credentials(request.headers.items())
        headers = [(name, without(secrets, _plain(name, value))) for name, value in headers]
        return httpx2.Response(status, headers=headers, content=without(secrets, body), request=request)

    async def _exchange(self, request: "httpx2.Request", proxy: str | None) -> tuple[int, Any, bytes]:
        import aiohttp

        request.headers["accept-encoding"] = "identity"
        async with self._open_session().request(
            request.method,
            str(request.url),
            headers=request.headers,
            data=request.content or None,
            allow_redirects=False,
            auto_decompress=False,
            compress=False,
            proxy=proxy,
            timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_S),
        ) as response:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise TransportFaultError(Failure(FailureKind.MALFORMED, "the reply is compressed, unasked"))
            return response.status, response.raw_headers, await self._whole_body(response)

    async def _whole_body(self, response: "aiohttp.ClientResponse") -> bytes:
        limit, body = self._network.max_reply_bytes, bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                response.close()
                raise TransportFaultError(Failure(FailureKind.OVERSIZED, f"a reply has more than {limit} bytes"))
        return bytes(body)

    async def __aenter__(self) -> "_Transport":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> "aiohttp.ClientSession":
        import aiohttp
        import httpx2

        if self._session is None:
            trusted = httpx2.create_ssl_context(trust_env=False)
            if self._network.ca_file is not None:
                trusted.load_verify_locations(self._network.ca_file)
            resolver: Any = _PublicOnly(aiohttp.DefaultResolver()) if self._network.public_only else None
            connector = aiohttp.TCPConnector(limit=self._network.max_connections, ssl=trusted, resolver=resolver)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


class _PublicOnly:
    """Resolves names, but to no address of this machine or of a private network.

    The connection is made to the very address that was looked at, so that a name cannot change in between.
    """

    def __init__(self, resolver: Any) -> None:
        self._resolver = resolver

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> Any:
        """The addresses of a name, as `aiohttp.abc.AbstractResolver` gives them."""
        found = await self._resolver.resolve(host, port, family)
        if any(is_private(entry["host"]) for entry in found):
            raise _PrivateAddressError
        return found

    async def close(self) -> None:
        """Free the resolver."""
        await self._resolver.close()


class _PrivateAddressError(OSError):
    pass


def _failure(error: BaseException, origin: Origin) -> Failure:
    """What kept a request without a reply. Whether it was sent decides whether it may have to be paid."""
    import aiohttp

    if isinstance(error, TransportFaultError):
        return error.failure
    if any(isinstance(cause, _PrivateAddressError) for cause in _causes(error)):
        return _forbidden(origin)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        refused = FailureKind.CREDENTIALS if error.status == 407 else FailureKind.PROXY
        return Failure(refused, f"the proxy of annotators.proxy refuses with status {error.status}")
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return Failure(FailureKind.PROXY, f"no connection to the proxy of annotators.proxy ({error.os_error.strerror})")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return Failure(FailureKind.TLS, _untrusted(origin, error.certificate_error))
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return Failure(FailureKind.TLS, f"no TLS with {origin}: does it speak https, and on this port?")
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return Failure(FailureKind.UNREACHABLE, f"no connection to {origin}")
    if isinstance(error, aiohttp.ClientResponseError):
        return Failure(
            FailureKind.MALFORMED, f"{origin} answers with what is no HTTP, or with headers that are too long"
        )
    if isinstance(error, TimeoutError):
        return Failure(FailureKind.TIMEOUT, "no whole answer in time")
    return Failure(FailureKind.INTERRUPTED, "the connection broke before the answer was complete")


def _plain(name: bytes, value: bytes) -> bytes:
    """A header without the character set that it names: libraries decode by it, and some names end them."""
    return value.partition(b";")[0] if name.lower() == b"content-type" else value


def _forbidden(origin: Origin) -> Failure:
    return Failure(
        FailureKind.FORBIDDEN_ADDRESS,
        f"{origin} is at a loopback, private or link-local address; the owner of the server allows these with the "
        "setting annotators.private_addresses",
    )


def _untrusted(origin: Origin, error: Exception) -> str:
    reason = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else "not accepted"
    return (
        f"the certificate of {origin} cannot be trusted ({reason}); the setting annotators.ca_file names further "
        "authorities"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
