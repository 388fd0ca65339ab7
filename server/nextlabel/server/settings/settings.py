"""Settings of the server: command line over environment over TOML file over defaults.

In the environment a setting is `NEXTLABEL_` and its path with `__` between the parts, such as
`NEXTLABEL_API__DRAIN_SECONDS=10`; in TOML the parts are tables. A misspelt key is an error that names its path.
"""

import os
import sys
import tomllib
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import (
    SettingsError as SettingsSourceError,
)

from nextlabel.server.annotators.settings import AnnotatorSettings
from nextlabel.server.settings.embedding import EmbeddingSettings
from nextlabel.server.settings.filters import FilterSettings
from nextlabel.server.settings.limits import LimitSettings
from nextlabel.server.settings.port import ApiSettings, AuthSettings, TlsSettings
from nextlabel.server.system.addresses import MAX_PORT, checked_bind, is_loopback, port_of
from nextlabel.server.system.settings_section import Count, Seconds, Section

DEFAULT_WEB_BIND = "127.0.0.1:50080"
_ENV_PREFIX = "NEXTLABEL_"
_config_file: ContextVar[Path | None] = ContextVar("nextlabel_config_file", default=None)


class SettingsError(ValueError):
    """A setting is missing, unknown or out of range; the message names each with its path."""


class StoreSettings(Section):
    """Where state and pool are kept."""

    url: str | None = None
    """StateStore: a SQLAlchemy URL (`postgresql+psycopg://…`); by default SQLite in the data directory."""

    pool_url: str | None = None
    """PoolStore: a folder, by default in the data directory, or `s3://BUCKET/PREFIX`; it never holds credentials."""

    pool_cache_gb: float = Field(default=10.0, ge=0.0, le=1e6)
    """Gigabytes of a bucket's embeddings that are kept in the data directory once they were read; 0 for none."""

    replies_kept_s: Seconds = 86_400.0
    """How long the answers to mutating calls are kept for repetition."""

    @field_validator("pool_url")
    @classmethod
    def _a_place_without_secrets(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "")
        if "://" in (url or "") and ("@" in parts.netloc or parts.query or parts.fragment):
            raise ValueError(
                "a URL of a pool is a scheme, a bucket and a prefix, as in s3://BUCKET/PREFIX; credentials and options "
                "come from the environment, a profile or a role, as AWS's tools take them"
            )
        return url


class RaySettings(Section):
    """The Ray cluster, with `compute.executor = "ray"`."""

    address: str = ""
    """Cluster to join: `HOST:PORT`, `ray://HOST:PORT`, or `auto` for this machine's; by default one is started."""

    workers: Count | None = None
    """Processes that compute; by default one for each processor of the cluster."""

    without: Literal["compute", "refuse"] = "compute"
    """What to do while there is no cluster: `compute` in this process, or `refuse` with UNAVAILABLE."""


class ComputeSettings(Section):
    """Work on arrays and training."""

    threads: Count = Field(default_factory=lambda: max(1, os.cpu_count() or 1))
    """Worker threads; by default one for each core."""

    executor: Literal["threads", "ray"] = "threads"
    """Where passes over pools, embedding and training run: in threads of this process, or on a Ray cluster."""

    ray: RaySettings = Field(default_factory=RaySettings)
    """The Ray cluster."""


class MetricsSettings(Section):
    """Metrics for Prometheus."""

    bind: str | None = None
    """Address such as `127.0.0.1:9464` where metrics are served over HTTP; off by default.

    Of several workers each has a port of its own: this one, the next, and so on.
    """


class TracingSettings(Section):
    """Spans of calls and of the work behind them, for OpenTelemetry."""

    endpoint: str | None = None
    """Collector that takes spans by OTLP over gRPC, such as `http://127.0.0.1:4317`; off by default."""

    share: float = Field(default=1.0, ge=0, le=1)
    """Share of the traces that begin here and are sent; of a caller's trace all is sent that the caller records."""


class WebSettings(Section):
    """Dashboard and labeling page."""

    bind: str | None = DEFAULT_WEB_BIND
    """Address of the pages, `HOST:PORT`, port 0 for a free one; none to leave them out."""

    hosts: tuple[str, ...] = ()
    """Names that browsers may know this server by besides that of the address; `*` for any, if a proxy checks them."""


class LogSettings(Section):
    """Logs, to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level written; `debug` has one line for every call."""

    format: Literal["auto", "console", "json"] = "auto"
    """`auto` is console on a terminal and JSON elsewhere."""


class Settings(BaseSettings):
    """All settings of a server."""

    model_config = SettingsConfigDict(
        env_prefix=_ENV_PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )

    data_dir: Path = Path("nextlabel-data")
    """Folder of everything that the server keeps; created when missing."""

    bind: str = "127.0.0.1:50051"
    """Address of the gRPC port: `HOST:PORT` or `unix:PATH`; port 0 takes a free one."""

    workers: int = Field(default=1, ge=1, le=64)
    """Processes that serve the same port and the same data, on Linux; more than one use more cores."""

    insecure: bool = False
    """Allow an address beyond loopback without TLS or without tokens."""

    tls: TlsSettings = Field(default_factory=TlsSettings)
    """Transport security."""

    auth: AuthSettings = Field(default_factory=AuthSettings)
    """Who may call."""

    api: ApiSettings = Field(default_factory=ApiSettings)
    """The gRPC port."""

    store: StoreSettings = Field(default_factory=StoreSettings)
    """State and pool."""

    limits: LimitSettings = Field(default_factory=LimitSettings)
    """Upper bounds."""

    embedding: EmbeddingSettings = Field(default_factory=EmbeddingSettings)
    """The embedders."""

    annotators: AnnotatorSettings = Field(default_factory=AnnotatorSettings)
    """LLM annotators."""

    filters: FilterSettings = Field(default_factory=FilterSettings)
    """What rules of filters may ask."""

    compute: ComputeSettings = Field(default_factory=ComputeSettings)
    """Work on arrays."""

    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    """Metrics."""

    tracing: TracingSettings = Field(default_factory=TracingSettings)
    """Spans."""

    web: WebSettings = Field(default_factory=WebSettings)
    """Pages for people."""

    log: LogSettings = Field(default_factory=LogSettings)
    """Logs."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the strongest first."""
        toml = TomlConfigSettingsSource(settings_cls, toml_file=_config_file.get())
        return init_settings, env_settings, toml

    @property
    def store_url(self) -> str:
        """Where the StateStore is."""
        return self.store.url or f"sqlite:///{self.data_dir / 'state.db'}"

    @property
    def pool_root(self) -> str:
        """Where the PoolStore is."""
        return self.store.pool_url or str(self.data_dir / "pools")

    @property
    def tokens_required(self) -> bool:
        """True when a call needs a token or a certificate with a role."""
        return self._exposed if self.auth.required is None else self.auth.required

    @property
    def _exposed(self) -> bool:
        return not all(is_loopback(bind) for bind in (self.bind, self.web.bind) if bind)

    @field_validator("web")
    @classmethod
    def _a_web_port_is_named(cls, web: WebSettings) -> WebSettings:
        if web.bind and web.bind.startswith("unix"):
            raise ValueError(f"web.bind: browsers cannot reach {web.bind}; name HOST:PORT")
        if web.bind:
            checked_bind(web.bind)
        return web

    @field_validator("metrics")
    @classmethod
    def _a_metrics_port_is_named(cls, metrics: MetricsSettings) -> MetricsSettings:
        if metrics.bind and metrics.bind.startswith("unix"):
            raise ValueError(f"metrics.bind: Prometheus cannot reach {metrics.bind}; name HOST:PORT")
        if metrics.bind:
            checked_bind(metrics.bind)
        return metrics

    @field_validator("data_dir", mode="before")
    @classmethod
    def _a_folder_is_named(cls, data_dir: Any) -> Any:
        if data_dir == "":
            raise ValueError("name a folder; the current one is '.'")
        return data_dir

    @field_validator("bind")
    @classmethod
    def _a_port_is_named(cls, bind: str) -> str:
        return checked_bind(bind)

    @model_validator(mode="after")
    def _can_be_shared(self) -> Self:
        if self.workers == 1:
            return self
        if sys.platform != "linux":
            raise ValueError("several workers need Linux, which spreads connections over them; leave workers at 1")
        if self.bind.startswith("unix"):
            raise ValueError(f"several workers need a port, which Linux spreads over them; bind is {self.bind}")
        if self.metrics.bind and port_of(self.metrics.bind) > MAX_PORT - self.workers + 1:
            raise ValueError(
                f"metrics.bind={self.metrics.bind}: each of {self.workers} workers has a port of its own from this one "
                f"on, and there is none above {MAX_PORT}"
            )
        return self

    @model_validator(mode="after")
    def _one_cluster(self) -> Self:
        if self.workers > 1 and self.compute.executor == "ray" and not self.compute.ray.address:
            raise ValueError(
                f"each of {self.workers} workers would start a Ray cluster of its own: start one with "
                '`ray start --head` and give compute.ray.address = "auto", or leave workers at 1'
            )
        return self

    @model_validator(mode="after")
    def _not_exposed(self) -> Self:
        if self.insecure or not self._exposed:
            return self
        if not (self.tls.enabled and self.tokens_required):
            exposed = f"bind={self.bind}" if not is_loopback(self.bind) else f"web.bind={self.web.bind}"
            raise ValueError(
                f"{exposed} can be reached from other machines: set tls.certificate and tls.key and leave "
                "auth.required on, bind to 127.0.0.1 instead, or set insecure (--insecure) on a network you trust"
            )
        return self


def load_settings(overrides: Mapping[str, Any] | None = None, config: Path | None = None) -> Settings:
    """Read the settings.

    `overrides` come from the command line, nested like the TOML tables. `config` is the TOML file; by default the one
    that `NEXTLABEL_CONFIG` names, if it does.

    Raises:
        SettingsError: naming every wrong setting.
    """
    named = config or (Path(name) if (name := os.environ.get(f"{_ENV_PREFIX}CONFIG")) else None)
    if named and not named.is_file():
        raise SettingsError(f"there is no settings file {named}")
    if unknown := _unknown_variables(os.environ):
        raise SettingsError(f"{unknown[0]}: no setting is in such a section; {_known('')}")
    token = _config_file.set(named)
    try:
        return Settings(**(overrides or {}))
    except ValidationError as error:
        raise SettingsError("\n".join(_lines(error))) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{named} is no settings file: it is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"settings cannot be read from {named}: {error}") from error
    except SettingsSourceError as error:
        raise SettingsError(f"settings cannot be read: {error}") from error
    finally:
        _config_file.reset(token)


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the variables that are named as those of settings in a section are, but in one that is none.

    Others may begin the same: Kubernetes gives every program variables that are named after services.
    """
    nested = (name for name in sorted(environment) if name.upper().startswith(_ENV_PREFIX) and "__" in name)
    return [name for name in nested if _section(name) not in Settings.model_fields]


def _section(variable: str) -> str:
    return variable[len(_ENV_PREFIX) :].partition("__")[0].lower()


def _lines(error: ValidationError) -> list[str]:
    """Return one line for each wrong setting, without the values: some are secret."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        path = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"unknown setting; {_known(path)}"
        lines.append(f"{path}: {message}" if path else message)
    return lines


def _known(path: str) -> str:
    """Say which settings there are beside a misspelt one."""
    section: type[BaseModel] = Settings
    for part in path.split(".")[:-1]:
        annotation = section.model_fields[part].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            section = annotation
    return "known here: " + ", ".join(section.model_fields)
