"""Reasons that annotators gave for an answer, as far as what they cite stands in the item."""

from __future__ import annotations

from collections.abc import Sequence

from nextlabel.server.assessment.citations import cites
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Body


def best_reason(item: StoredItem, annotations: Sequence[Annotation], body: Body) -> Annotation | None:
    """Return whose reason for an answer is the best: the first that is trusted, else the newest; None for none.

    A reason for another answer is none, and one that cites what does not stand in the item neither.
    """
    right, text = type_of(body).compared(body), citable(item)
    given = [
        a
        for a in annotations
        if a.answer.rationale.strip()
        and a.answer.body is not None
        and type_of(a.answer.body).compared(a.answer.body) == right
        and cites(a.answer.rationale, text) is not False
    ]
    return next((a for a in given if a.trusted), given[-1] if given else None)


def citable(item: StoredItem) -> str:
    """Return all that a reason may cite of an item."""
    return "\n".join((item.text, item.pair.a, item.pair.b) if item.pair else (item.text,))
