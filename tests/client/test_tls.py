import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from nextlabel.client import NextlabelError, Tls, connect
from tests.client.conftest import Cli
from tests.client.fakes import FakeServer

CERTIFICATES = Path(__file__).parents[1] / "api" / "certificates"
CA = CERTIFICATES / "ca.pem"

_WITH_A_PASSPHRASE = """\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgfu7UvsmJ//AICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEODs3Mw0npJwsINZXGO8IC4EgZB4
yx8iUG7/3UBLOWgkTB4heEMOhH5R9QFqLnJLfW4MAU/qgW19VHzl7bTrpWCmaC05
axOvdo3uIqn+oD+Z/l4KtMV7bf2rzWNRCaow6ZcORfK6ASiQi+BY9G9/J/8UEtw7
aiv4xOxzinNbO/CXeCb5OQjvLknJEOAFhJGdO/YVu+xq5nDWkYiyXsc7dbK86zA=
-----END ENCRYPTED PRIVATE KEY-----
"""


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


@pytest.fixture
def wrong_files(tmp_path: Path) -> Path:
    """Files that are none of what TLS needs, beside a certificate and the key of another one."""
    (tmp_path / "table.csv").write_text("text,label\n")
    (tmp_path / "cut.pem").write_bytes(CA.read_bytes()[:200])
    (tmp_path / "empty.pem").touch()
    (tmp_path / "locked.key").write_text(_WITH_A_PASSPHRASE)
    return tmp_path


@pytest.mark.parametrize("name", ["table.csv", "cut.pem", "empty.pem", "missing.pem", ""])
@pytest.mark.parametrize("role", ["ca", "certificate", "key"])
def test_a_file_that_is_none_of_tls_is_named_before_anything_is_sent(wrong_files: Path, name: str, role: str) -> None:
    pair = {"certificate": CERTIFICATES / "client.pem", "key": CERTIFICATES / "client.key"}
    with pytest.raises(ValueError, match=f"^{re.escape(str(wrong_files / name))}: "):
        Tls(**pair | {role: wrong_files / name}).credentials()


@pytest.mark.parametrize(
    ("key", "reason"),
    [("server.key", "not the private key, in PEM, of the certificate in"), ("locked.key", "passphrase")],
)
def test_a_key_that_does_not_open_the_certificate_is_named(wrong_files: Path, key: str, reason: str) -> None:
    path = next(path for folder in (CERTIFICATES, wrong_files) if (path := folder / key).exists())
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: .*{reason}"):
        Tls(certificate=CERTIFICATES / "client.pem", key=path).credentials()


@pytest.mark.parametrize("command", ["serve", "web"])
def test_what_serves_names_a_wrong_file_and_not_the_port(
    cli: Cli, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = str(CERTIFICATES / "client.key")
    pair = {"certificate": str(CERTIFICATES / "server.pem"), "key": key}
    options = [word for name, path in pair.items() for word in (f"--{name}", path)] if command == "web" else []
    for name, path in pair.items():
        monkeypatch.setenv(f"NEXTLABEL_TLS__{name.upper()}", path)
    done = cli(command, *options)
    assert done.code == 2
    assert f"{key}: not the private key" in done.err
