from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from nextlabel.client import NextlabelError, Tls, connect
from tests.client.conftest import Cli
from tests.client.fakes import FakeServer

CERTIFICATES = Path(__file__).parents[1] / "api" / "certificates"
CA = CERTIFICATES / "ca.pem"


@pytest.fixture
def tls_server() -> Iterator[FakeServer]:
    """A server that shows a certificate and wants to see one."""
    key, certificate = (CERTIFICATES / f"server.{suffix}" for suffix in ("key", "pem"))
    pair = (key.read_bytes(), certificate.read_bytes())
    fake = FakeServer(grpc.ssl_server_credentials([pair], CA.read_bytes(), require_client_auth=True))
    fake.address = fake.address.replace("127.0.0.1", "localhost")
    yield fake
    fake.stop()


def test_both_sides_show_their_certificates(tls_server: FakeServer) -> None:
    tls = Tls(CA, CERTIFICATES / "client.pem", CERTIFICATES / "client.key")
    with connect(tls_server.address, tls=tls, token="nl_secret") as client:
        assert list(client.projects.list()) == []
    assert tls_server.state.metadata[-1]["authorization"] == "Bearer nl_secret"


@pytest.mark.parametrize("tls", [Tls(CA), Tls(), None])
def test_nothing_is_sent_to_a_server_that_is_not_trusted_or_does_not_trust_us(
    tls_server: FakeServer, tls: Tls | None, no_retries: None
) -> None:
    with connect(tls_server.address, tls=tls or False) as client, pytest.raises(NextlabelError) as caught:
        client.projects.get("news")
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert not tls_server.state.calls


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(ValueError, match="certificate and key belong together"):
        Tls(certificate=CERTIFICATES / "client.pem")


def test_the_command_line_takes_certificates(tls_server: FakeServer, cli: Cli) -> None:
    done = cli(
        "project", "list", "--output", "json", "--server", tls_server.address,
        "--ca", str(CA), "--certificate", str(CERTIFICATES / "client.pem"), "--key", str(CERTIFICATES / "client.key"),
    )  # fmt: skip
    assert (done.code, done.json) == (0, [])


def test_a_certificate_that_is_not_there_is_named(cli: Cli) -> None:
    done = cli("project", "list", "--ca", "nowhere.pem")
    assert (done.code, done.err) == (1, "error: nowhere.pem: No such file or directory\n")
