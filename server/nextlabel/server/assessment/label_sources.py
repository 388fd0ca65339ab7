"""Whose a label is: a person's, a replay's, an LLM's or the learner's."""

from __future__ import annotations

from collections.abc import Sequence

from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind

SOURCES = (AnnotatorKind.HUMAN, AnnotatorKind.REPLAY, AnnotatorKind.LLM, AnnotatorKind.LEARNER)
"""Those whose word goes further first."""


def source_of(annotations: Sequence[Annotation]) -> AnnotatorKind | None:
    """Return whose the label is that an item's annotations add up to, None without an answer.

    Trusted annotations outvote all others. Of several kinds that were counted, it is theirs whose word goes further.
    """
    answered = [a for a in annotations if a.answer.body is not None]
    counted = {a.kind for a in answered if a.trusted} or {a.kind for a in answered}
    return next((kind for kind in SOURCES if kind in counted), None)
