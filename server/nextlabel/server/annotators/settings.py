"""Settings of LLM annotators: where they may be asked, with which keys, over which network, at which prices."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from nextlabel.server.system.origins import Origin
from nextlabel.server.system.settings_section import Section


class AnthropicSettings(Section):
    """The Anthropic API or a gateway compatible with it."""

    api_key: SecretStr | None = Field(default_factory=lambda: _secret_from("ANTHROPIC_API_KEY"))
    """Key for the origin of `base_url` and no other; by default `ANTHROPIC_API_KEY`."""

    base_url: str = Field(default_factory=lambda: os.environ.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com")
    """Base URL; by default `ANTHROPIC_BASE_URL`, else the public API."""


class OpenAiCompatibleSettings(Section):
    """A server compatible with the OpenAI chat completions API."""

    api_key: SecretStr | None = None
    """Key for the origin of `base_url` and no other, if the server needs one."""

    base_url: str | None = None
    """Base URL, such as `http://127.0.0.1:8080/v1`."""

    top_logprobs: int = Field(default=20, ge=1, le=1_000)
    """Alternatives to each token that runs with log-probabilities ask for; llama.cpp allows more than the usual 20."""


def endpoint_variables(endpoint: Mapping[str, object]) -> dict[str, str]:
    """Return settings of `OpenAiCompatibleSettings` as environment variables of a server.

    >>> endpoint_variables({"top_logprobs": 5})
    {'NEXTLABEL_ANNOTATORS__OPENAI_COMPATIBLE__TOP_LOGPROBS': '5'}
    """
    prefix = "NEXTLABEL_ANNOTATORS__OPENAI_COMPATIBLE__"
    return {f"{prefix}{name.upper()}": str(value) for name, value in endpoint.items()}


class AnnotatorSettings(Section):
    """LLM annotators."""

    anthropic: AnthropicSettings = Field(default_factory=AnthropicSettings)
    """The Anthropic API."""

    openai_compatible: OpenAiCompatibleSettings = Field(default_factory=OpenAiCompatibleSettings)
    """Another LLM server."""

    keys: Mapping[str, SecretStr] = Field(default_factory=dict)
    """Keys of further origins that a run may name, by origin, such as `"https://llm.example:8443" = "…"`."""

    allowed_hosts: tuple[str, ...] = ()
    """Further hosts, or whole origins, that a run may name; no key of the server goes there."""

    private_addresses: bool = False
    """Whether `allowed_hosts` may be at loopback, private or link-local addresses; the other settings always may."""

    proxy: SecretStr | None = None
    """HTTP proxy for LLM calls, such as `http://proxy.example:3128`; this machine's own addresses go without."""

    ca_file: Path | None = None
    """Certificate authorities that LLM servers are trusted by besides the usual ones, PEM."""

    max_reply_bytes: int = Field(default=4 * 1024 * 1024, ge=64 * 1024)
    """Largest reply of an LLM server that is read, in bytes; results of message batches may be larger."""

    other_model: Literal["warn", "stop"] = "warn"
    """What to do when another model answers than the one asked: `warn` logs and counts it, `stop` ends the run."""

    prices: Path | None = None
    """Price table, TOML; by default the one that comes with the server."""

    @model_validator(mode="after")
    def _urls(self) -> Self:
        for name, url in (
            ("anthropic.base_url", self.anthropic.base_url),
            ("openai_compatible.base_url", self.openai_compatible.base_url),
            *((f"keys, {url!r}", url) for url in self.keys),
        ):
            try:
                Origin.of(url or "http://localhost")
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        self._check_proxy()
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ValueError(f"ca_file: there is no file {self.ca_file}")
        return self

    def _check_proxy(self) -> None:
        proxy = urlsplit(self.proxy.get_secret_value()) if self.proxy else None
        if proxy is not None and (proxy.scheme != "http" or not proxy.hostname):
            raise ValueError("proxy: expected a URL such as http://proxy.example:3128")


def _secret_from(variable: str) -> SecretStr | None:
    value = os.environ.get(variable)
    return SecretStr(value) if value else None
