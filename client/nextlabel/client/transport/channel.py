"""The gRPC channel: credentials, retries, keepalive and limits."""

import json
from dataclasses import dataclass
from pathlib import Path

import grpc

from nextlabel.client.transport.addresses import is_loopback

MAX_MESSAGE_BYTES = 16 * 2**20
"""Most bytes of one message in either direction: what the server takes."""

_RETRY_POLICY = {
    "maxAttempts": 5,
    "initialBackoff": "0.1s",
    "maxBackoff": "5s",
    "backoffMultiplier": 3,
    # Any other code says that the server has seen the call, or that repeating it cannot help (AIP-194).
    "retryableStatusCodes": ["UNAVAILABLE"],
}

# The client resumes these itself, from where they were cut off.
_RESUMED = [
    {"service": "nextlabel.v1.PoolService", "method": "AddItems"},
    {"service": "nextlabel.v1.PoolService", "method": "WatchPool"},
    {"service": "nextlabel.v1.RunService", "method": "WatchRun"},
]
_SERVICE_CONFIG = {"methodConfig": [{"name": _RESUMED}, {"name": [{}], "retryPolicy": _RETRY_POLICY}]}


@dataclass(frozen=True, slots=True)
class Tls:
    """How to recognise the server, and the client's own certificate for mutual TLS (all PEM files).

    Without `ca` the system's certificate authorities are trusted. `certificate` and `key` belong together.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("tls: certificate and key belong together; give both or neither")

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files. Raises ValueError, which names the one that cannot be used."""
        from nextlabel.client.transport.pem_files import check_pem_files

        check_pem_files(ca=self.ca, certificate=self.certificate, key=self.key)
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.ca),
            private_key=_read(self.key),
            certificate_chain=_read(self.certificate),
        )


def _read(path: Path | None) -> bytes | None:
    return path.read_bytes() if path else None


def open_channel(server: str, tls: Tls | None) -> grpc.aio.Channel:
    """Open a channel to `server` ("host:port"); nothing is sent before the first call."""
    options = channel_options(server, encrypted=tls is not None)
    if tls is None:
        return grpc.aio.insecure_channel(server, options=options)
    return grpc.aio.secure_channel(server, tls.credentials(), options=options)


def channel_options(server: str, *, encrypted: bool) -> list[tuple[str, int | str]]:
    """How gRPC behaves on a channel to `server`."""
    return [
        ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
        ("grpc.enable_retries", 1),
        # gRPC goes by http_proxy for every address, this machine's own too. A proxy reads what is not encrypted, the
        # token with it.
        ("grpc.enable_http_proxy", int(encrypted and not is_loopback(server))),
        # By default a client that has found the server away does not look for it again for up to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ]
