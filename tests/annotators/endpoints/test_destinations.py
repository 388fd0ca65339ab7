"""Which key goes where: each to the origin it is configured for, and nowhere else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextlabel.server.annotators.settings import AnnotatorSettings
from nextlabel.server.settings.settings import SettingsError, load_settings
from nextlabel.server.system.origins import Origin
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, LlmOptions, OpenaiCompatibleOptions
from nextlabel.server.wiring.destinations import Destination, destination

KINDS: dict[str, type[LlmOptions]] = {"anthropic": AnthropicOptions, "openai_compatible": OpenaiCompatibleOptions}
SETTINGS: dict[str, Any] = {
    "anthropic": {"api_key": "of anthropic", "base_url": "https://llm.example"},
    "openai_compatible": {"api_key": "of openai", "base_url": "http://127.0.0.1:8080/v1"},
    "keys": {"https://gateway.example:8443": "of the gateway"},
    "allowed_hosts": ["open.example", "10.0.0.5", "localhost", "https://exact.example:99"],
}


def to(base_url: str = "", kind: str = "anthropic", **changes: Any) -> Destination:
    settings = AnnotatorSettings.model_validate({**SETTINGS, **changes})
    return destination(KINDS[kind]("m", base_url), settings, "spec.annotator.x")


@pytest.mark.parametrize(
    ("base_url", "kind", "key"),
    [
        ("", "anthropic", "of anthropic"),
        ("https://llm.example:443/v1", "anthropic", "of anthropic"),
        ("https://LLM.example/eu", "anthropic", "of anthropic"),
        ("", "openai_compatible", "of openai"),
        ("http://127.0.0.1:8080/other", "openai_compatible", "of openai"),
        ("https://gateway.example:8443/v1", "anthropic", "of the gateway"),
        ("https://gateway.example:8443/v1", "openai_compatible", "of the gateway"),
        ("https://open.example", "anthropic", None),
        ("http://open.example:8000/v1", "openai_compatible", None),
        ("https://exact.example:99", "openai_compatible", None),
    ],
)
def test_a_key_goes_to_its_own_origin(base_url: str, kind: str, key: str | None) -> None:
    there = to(base_url, kind)
    assert there.api_key == key
    assert there.network.public_only == (key is None)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://llm.example",
        "http://llm.example:443",
        "https://llm.example:8443",
        "https://llm.example.evil.example",
        "https://evil.example",
        "http://gateway.example:8443",
        "https://gateway.example",
        "http://127.0.0.1:8080",
        "https://exact.example:98",
    ],
)
def test_another_port_scheme_or_host_is_another_origin(base_url: str) -> None:
    with pytest.raises(InvalidArgument, match="not allowed") as refused:
        to(base_url)
    assert refused.value.violations[0].field == "spec.annotator.x.base_url"


@pytest.mark.parametrize("base_url", ["http://10.0.0.5:8000", "http://localhost:8000/v1"])
def test_private_addresses_need_the_owners_word(base_url: str) -> None:
    with pytest.raises(InvalidArgument, match="private_addresses"):
        to(base_url)
    there = to(base_url, private_addresses=True)
    assert (there.api_key, there.network.public_only) == (None, False)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://llm.example:x",
        "https://llm.example:99999",
        "https://llm.example:0",
        "https://[::1",
        "llm.example",
        "file:///etc/passwd",
        "https://llm.example@evil.example",
        "https://llm.example?x",
        "https://llm.example#x",
        "https:// llm.example",
        "https://",
    ],
)
def test_what_is_no_base_url_is_an_invalid_argument(base_url: str) -> None:
    with pytest.raises(InvalidArgument):
        to(base_url)


@given(st.text(max_size=40))
def test_no_base_url_is_too_odd_to_be_refused(text: str) -> None:
    for base_url in (text, f"https://llm.example{text}", f"https://{text}llm.example", f"http://{text}"):
        try:
            there = to(base_url)
        except InvalidArgument:
            continue
        assert there.api_key is None or Origin.of(there.base_url) == Origin.of("https://llm.example")


def test_the_public_api_is_not_asked_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(FailedPrecondition, match="ANTHROPIC_API_KEY"):
        to(anthropic={"base_url": "https://api.anthropic.com"})
    assert to(anthropic={"base_url": "http://127.0.0.1:1"}).api_key is None


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"keys": {"llm.example": "secret"}}, "keys, 'llm.example'"),
        ({"anthropic": {"base_url": "https://llm.example:x"}}, "anthropic.base_url"),
        ({"openai_compatible": {"base_url": "127.0.0.1:8080"}}, "openai_compatible.base_url"),
        ({"ca_file": "/no/such/file.pem"}, "ca_file"),
        ({"proxy": "proxy:3128"}, "proxy"),
    ],
)
def test_settings_that_lead_nowhere_are_named_at_the_start(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings({"annotators": settings})
    assert named in str(refused.value)
    assert "secret" not in str(refused.value)


def test_no_key_is_shown() -> None:
    assert "of the gateway" not in repr(to("https://gateway.example:8443"))
    assert "of the" not in repr(AnnotatorSettings.model_validate(SETTINGS))
