"""Settings of filters: services and files of facts that their rules may ask."""

import re
from collections.abc import Mapping
from pathlib import Path
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

    files: Mapping[str, Path] = Field(default_factory=dict)
    """CSV or TSV files by the name of the function that rules call, such as `register = "products.csv"`.

    Of two columns under a heading: an id or a text, and what is known of it. They are read when the server starts.
    """

    @model_validator(mode="after")
    def _named(self) -> Self:
        for name in [*self.services, *self.files]:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a function: lower-case letters, digits and underscores")
        for name in set(self.services) & set(self.files):
            raise ValueError(f"both services and files name {name}; give one of them another name")
        for name, path in self.files.items():
            if not path.is_file():
                raise ValueError(f"files.{name}: there is no file {path}")
        for name, url in self.services.items():
            try:
                Origin.of(url)
            except ValueError as error:
                raise ValueError(f"the URL of {name}: {error}") from None
        unknown = sorted(set(self.service_keys) - set(self.services))
        if unknown:
            raise ValueError(f"service_keys names {unknown[0]!r}, of which services has no URL")
        return self
