"""Settings: where they come from, and what is said about wrong ones."""

from pathlib import Path

import pytest

from nextlabel.server.settings.settings import SettingsError, load_settings
from nextlabel.server.system.addresses import is_loopback


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "NEXTLABEL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_command_line_beats_the_environment_beats_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "nextlabel.toml"
    file.write_text('bind = "127.0.0.1:1"\n[api]\ndrain_s = 1\nkeepalive_s = 1\nmin_ping_interval_s = 1\n')
    monkeypatch.setenv("NEXTLABEL_API__DRAIN_S", "2")
    monkeypatch.setenv("NEXTLABEL_API__KEEPALIVE_S", "2")
    settings = load_settings({"api": {"drain_s": 3}}, config=file)
    api = settings.api
    assert (settings.bind, api.drain_s, api.keepalive_s, api.min_ping_interval_s) == ("127.0.0.1:1", 3, 2, 1)


def test_the_file_may_be_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.toml"
    file.write_text('data_dir = "here"\n')
    monkeypatch.setenv("NEXTLABEL_CONFIG", str(file))
    assert load_settings().data_dir == Path("here")


def test_the_key_and_base_url_of_anthropic_come_from_its_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-private")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    anthropic = load_settings().annotators.anthropic
    assert anthropic.api_key is not None
    assert (anthropic.api_key.get_secret_value(), anthropic.base_url) == ("sk-private", "http://127.0.0.1:9")
    assert "sk-private" not in repr(load_settings())


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[api]\ndrain = 1", r"^api\.drain: unknown setting; known here: .*drain_s"),
        ("[api]\ndrain_s = -1", r"^api\.drain_s: Input should be greater than 0"),
        ("[api]\ndrain_s = 'soon'", r"^api\.drain_s: Input should be a valid number"),
        ("bint = 1", r"^bint: unknown setting; known here: .*bind"),
        ("[tls]\ncertificate = 'a.pem'", "certificate and key go together"),
        ("[tls]\nclient_ca = 'a.pem'", "client_ca needs certificate and key"),
        ("not toml", r"settings cannot be read from .*nextlabel\.toml"),
        ("data_dir = ''", "data_dir: name a folder"),
        ("[embedding]\nmodels = ['a/e5', 'b/e5']", r"^embedding: 'a/e5' and 'b/e5' end in the same name"),
        ("[embedding]\nmodels = ['']", r"^embedding\.models: each model has a name"),
    ],
)
def test_a_wrong_setting_is_named_with_its_path(tmp_path: Path, toml: str, said: str) -> None:
    file = tmp_path / "nextlabel.toml"
    file.write_text(toml)
    with pytest.raises(SettingsError, match=said):
        load_settings(config=file)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"\x89PNG\xff")
    with pytest.raises(SettingsError, match=r"image\.png is no settings file"):
        load_settings(config=tmp_path / "image.png")


def test_a_misspelt_section_in_the_environment_is_named_and_what_others_set_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NEXTLABEL_PORT_50051_TCP_ADDR", "10.0.0.7")
    load_settings()
    monkeypatch.setenv("NEXTLABEL_ATUH__REQUIRED", "true")
    with pytest.raises(SettingsError, match=r"^NEXTLABEL_ATUH__REQUIRED: .*known here: .*auth"):
        load_settings()


def test_every_wrong_setting_has_its_line() -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings({"api": {"drain": 1}, "bint": 2})
    assert len(str(raised.value).splitlines()) == 2


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no settings file"):
        load_settings(config=tmp_path / "missing.toml")


def test_no_secret_is_repeated_in_an_error() -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings({"auth": {"admin_token": ["s3cret"]}})
    assert "s3cret" not in str(raised.value)


TLS = {"certificate": "c.pem", "key": "k.pem"}


@pytest.mark.parametrize("bind", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.com:1", ":1", "8.8.8.8:50051"])
def test_an_address_beyond_loopback_needs_tls_and_tokens_or_insecure(bind: str) -> None:
    for given in ({}, {"tls": TLS, "auth": {"required": False}}, {"auth": {"required": True}}):
        with pytest.raises(SettingsError, match="can be reached from other machines"):
            load_settings({"bind": bind} | given)
    assert load_settings({"bind": bind, "tls": TLS}).tokens_required
    assert load_settings({"bind": bind, "insecure": True}).tokens_required


@pytest.mark.parametrize("bind", ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "localhost:1", "unix:/run/nextlabel"])
def test_loopback_needs_neither(bind: str) -> None:
    assert is_loopback(bind)
    assert not load_settings({"bind": bind}).tokens_required


@pytest.mark.parametrize("bind", ["127.0.0.1:65536", "127.0.0.1", "banana", "127.0.0.1:http", "127.0.0.1:-1", "[::1]"])
def test_an_address_without_a_usable_port_is_refused(bind: str) -> None:
    with pytest.raises(SettingsError, match="bind: expected HOST:PORT with a port from 0 to 65535"):
        load_settings({"bind": bind})


def test_the_limits_reach_the_domain() -> None:
    assert load_settings({"limits": {"overlap": 3}}).limits.limits().overlap == 3


def test_workers_share_a_ray_cluster_that_was_started_for_them():
    with pytest.raises(SettingsError, match=r"ray start --head"):
        load_settings({"workers": 2, "compute": {"executor": "ray"}})
    taken = load_settings({"workers": 2, "compute": {"executor": "ray", "ray": {"address": "auto"}}})
    assert taken.compute.ray.without == "compute"
