from pathlib import Path

import pytest

from nextlabel.client.cli.session import Session
from tests.client.conftest import Cli
from tests.client.fake_state import State
from tests.client.fakes import FakeServer


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: FakeServer) -> Path:
    """A profile file with the fake server as the default."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("NEXTLABEL_SERVER", raising=False)
    path = tmp_path / "nextlabel" / "profiles.toml"
    path.parent.mkdir()
    path.write_text(
        f'default = "lab"\n[profiles.lab]\nserver = "{server.address}"\ntoken = "nl_lab"\n'
        '[profiles.far]\nserver = "far.example.org:443"\ntls = true\n'
    )
    return path


def authorization(session: Session, state: State) -> str | None:
    with session.connect() as client:
        list(client.projects.list())
    return state.metadata[-1].get("authorization")


def test_the_default_profile_gives_server_and_token(profiles: Path, state: State) -> None:
    assert authorization(Session(), state) == "Bearer nl_lab"


def test_a_profile_by_name_comes_before_the_environment(
    profiles: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXTLABEL_SERVER", "127.0.0.1:1")
    monkeypatch.setenv("NEXTLABEL_TOKEN", "nl_environment")
    assert authorization(Session(profile="lab"), state) == "Bearer nl_lab"


@pytest.mark.parametrize("by_environment", [True, False])
def test_the_token_of_a_profile_goes_to_its_server_only(
    profiles: Path, server: FakeServer, state: State, monkeypatch: pytest.MonkeyPatch, by_environment: bool
) -> None:
    if by_environment:
        monkeypatch.setenv("NEXTLABEL_SERVER", server.address)
    session = Session() if by_environment else Session(server=server.address)
    assert authorization(session, state) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("default = 'lab'\n[profiles.lab]\nserver = 'x:1'\nport = 5\n", "unknown port; allowed are server, token, tls"),
        ("default = 'home'\n[profiles.lab]\n", "profile: 'home' is not in .*; there are: lab"),
        ("[[[", "not valid TOML"),
        ("default = 'lab'\n[profiles]\nlab = 5\n", "profile 'lab' is no table"),
    ],
)
def test_a_profile_that_cannot_be_understood_says_why(profiles: Path, content: str, message: str) -> None:
    profiles.write_text(content)
    with pytest.raises(ValueError, match=message):
        Session().connect()


def test_a_profile_that_is_asked_for_has_to_exist(cli: Cli) -> None:
    done = cli("project", "list", "--profile", "lab")
    assert (done.code, "'lab' was asked for, but there is no file" in done.err) == (1, True)
