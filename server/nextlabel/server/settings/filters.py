"""Settings of filters: services that their rules may ask."""

import re
from collections.abc import Mapping
from typing import Self

from pydantic import Field, SecretStr, model_validator

from nextlabel.server.system.origins import Origin
from nextlabel.server.system.settings_section import Section

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class FilterSettings(Section):
    """What rules of filters may ask beside what the server knows."""

    services: Mapping[str, str] = Field(default_factory=dict)
    """URLs by the name of the function that rules call, such as `toxicity = "https://judge.example/texts"`.

    Texts of labeled items are posted there.
    """

    service_keys: Mapping[str, SecretStr] = Field(default_factory=dict)
    """Bearer tokens of services, by the same names."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        for name, url in self.services.items():
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a function: lower-case letters, digits and underscores")
            try:
                Origin.of(url)
            except ValueError as error:
                raise ValueError(f"the URL of {name}: {error}") from None
        unknown = sorted(set(self.service_keys) - set(self.services))
        if unknown:
            raise ValueError(f"service_keys names {unknown[0]!r}, of which services has no URL")
        return self
