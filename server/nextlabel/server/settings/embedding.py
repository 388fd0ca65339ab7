"""Settings of what embeds texts."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import field_validator, model_validator

from nextlabel.server.system.settings_section import Count, Section


class EmbeddingSettings(Section):
    """The embedders of texts that come without an embedding."""

    model: str = "all-MiniLM-L6-v2"
    """A sentence-transformers model: a local path, an installed package, or a name on the hub, tried in this order."""

    models: tuple[str, ...] = ()
    """Further models, named as `model` is, that a project may choose; no client has the server load any other."""

    in_memory: Count = 3
    """Models that are in memory at a time; another one takes the place of that used longest ago."""

    @property
    def allowed(self) -> tuple[str, ...]:
        """All models that projects may have, that of those which choose none first."""
        return tuple(dict.fromkeys((self.model, *self.models)))

    @field_validator("models")
    @classmethod
    def _named(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        if any(not Path(model).name for model in models):
            raise ValueError("each model has a name, or is a folder that has one")
        return models

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        known: dict[str, str] = {}
        for model in self.allowed:
            other = known.setdefault(Path(model).name, model)
            if other != model:
                raise ValueError(
                    f"{other!r} and {model!r} end in the same name, by which projects know their model; rename a folder"
                )
        return self
