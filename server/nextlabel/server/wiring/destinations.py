"""Where LLM calls may go, and which key goes with them: each only to the origin that the server's owner named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import SecretStr

from nextlabel.server.annotators.endpoints.transport import Network
from nextlabel.server.annotators.settings import AnnotatorSettings
from nextlabel.server.system.origins import Origin, is_address, is_private
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, LlmOptions


@dataclass(frozen=True, slots=True)
class Destination:
    """A base URL that may be asked, the key that its origin gets, None for none, and how it is reached."""

    base_url: str
    api_key: str | None = field(repr=False)
    network: Network


def destination(options: LlmOptions, settings: AnnotatorSettings, path: str) -> Destination:
    """Return where a model is asked; ``path`` is the field that its options are in.

    A base URL of the settings gets its own key, an origin in ``keys`` the key there. Other hosts must be in
    ``allowed_hosts``; they get no key, and must be public unless the owner allows private addresses.

    Raises:
        InvalidArgument: the base URL is none, or leads where the owner allows nobody to go.
        FailedPrecondition: the owner has configured no such endpoint, or no key for it.
    """
    configured, key = _configured(options, settings)
    wanted = options.base_url or configured or ""
    if not wanted:
        raise FailedPrecondition(
            "the server knows no OpenAI-compatible endpoint; set annotators.openai_compatible.base_url, or start it "
            "with --local-llm for a small model of its own",
            reason="NO_ENDPOINT",
        )
    field_path = f"{path}.base_url"
    origin = _origin(wanted, field_path)
    if configured and origin == Origin.of(configured):
        if isinstance(options, AnthropicOptions) and key is None and origin == Origin.of("https://api.anthropic.com"):
            raise FailedPrecondition(
                "the server has no key for the Anthropic API; set ANTHROPIC_API_KEY where it is started",
                reason="NO_API_KEY",
            )
        return Destination(wanted, _revealed(key), _network(settings, public_only=False))
    for named, of_origin in _keys(settings):
        if origin == named:
            return Destination(wanted, _revealed(of_origin), _network(settings, public_only=False))
    public_only = not settings.private_addresses
    _check_allowed(origin, settings, field_path, public_only=public_only)
    return Destination(wanted, None, _network(settings, public_only=public_only))


def _configured(options: LlmOptions, settings: AnnotatorSettings) -> tuple[str | None, SecretStr | None]:
    if isinstance(options, AnthropicOptions):
        return settings.anthropic.base_url, settings.anthropic.api_key
    return settings.openai_compatible.base_url, settings.openai_compatible.api_key


def _keys(settings: AnnotatorSettings) -> Iterator[tuple[Origin, SecretStr]]:
    for url, key in settings.keys.items():
        yield Origin.of(url), key


def _revealed(key: SecretStr | None) -> str | None:
    return key.get_secret_value() if key else None


def _network(settings: AnnotatorSettings, *, public_only: bool) -> Network:
    return Network(
        proxy=_revealed(settings.proxy),
        ca_file=settings.ca_file,
        public_only=public_only,
        max_reply_bytes=settings.max_reply_bytes,
    )


def _origin(url: str, path: str) -> Origin:
    try:
        return Origin.of(url)
    except ValueError as error:
        raise InvalidArgument.field(path, str(error)) from error


def _check_allowed(origin: Origin, settings: AnnotatorSettings, path: str, *, public_only: bool) -> None:
    if not any(named.lower() in (origin.host, str(origin)) for named in settings.allowed_hosts):
        raise InvalidArgument.field(
            path,
            f"{origin} is not allowed; the owner of the server names origins with their keys in the setting "
            "annotators.keys, and hosts that get no key in annotators.allowed_hosts",
        )
    if public_only and (origin.is_loopback or (is_address(origin.host) and is_private(origin.host))):
        raise InvalidArgument.field(
            path,
            f"{origin} is at a loopback, private or link-local address; the owner of the server allows these with "
            "the setting annotators.private_addresses",
        )
