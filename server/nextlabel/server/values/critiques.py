"""Criticising guidelines: what a critic sees, and what it says."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.labeling.tasks import ItemToAnnotate


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An item that an annotator labeled otherwise than gold or a person.

    ``rationale`` is the annotator's, ``critiques`` are what people said of a text that it wrote.
    """

    item: ItemToAnnotate
    given: Body
    trusted: Body
    rationale: str = ""
    critiques: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Critique:
    """What a critic finds wrong with guidelines, and the whole amended text."""

    critique: str
    guidelines: str
