"""Which answers about an item are evidence of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nextlabel.server.values.labeling.annotations import Annotation


def independent(annotations: Iterable[Annotation]) -> Sequence[Annotation]:
    """Return one item's answers that carry a label, without repeats, oldest first.

    Of each annotator the newest counts. An answer that was kept and given out again, under whatever name (the same
    ``answer_key``), is one answer: it cannot agree with itself.
    """
    newest = {a.annotator: a for a in sorted(annotations, key=lambda a: a.id) if a.answer.body is not None}
    kept: dict[str, Annotation] = {}
    for annotation in sorted(newest.values(), key=lambda a: a.id):
        kept.setdefault(annotation.answer.provenance.answer_key or f"annotation {annotation.id}", annotation)
    return list(kept.values())
