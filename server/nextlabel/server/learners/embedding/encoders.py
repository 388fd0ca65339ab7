"""The models that a server embeds with: those that its operator allows, of which a project names one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nextlabel.server.learners.embedding.cache import TextEmbedder
from nextlabel.server.learners.embedding.embedder import is_same_encoder


class Encoders:
    """A server's embedders; the first one is that of projects that name none. No other model is ever loaded.

    Args:
        embedders: one or more, of models whose names end differently.
    """

    def __init__(self, embedders: Sequence[TextEmbedder]) -> None:
        self._embedders = tuple(embedders)

    @property
    def default(self) -> TextEmbedder:
        """The embedder of projects that name no model."""
        return self._embedders[0]

    @property
    def said(self) -> str:
        """What the names of all models end in, which is enough to choose one, as a message gives them."""
        return " or ".join(repr(Path(one.name).name) for one in self._embedders)

    def named(self, name: str) -> TextEmbedder | None:
        """Return the embedder of a model, found as `is_same_encoder` compares names; None where it is not allowed."""
        return next((one for one in self._embedders if is_same_encoder(one.name, name)), None)
