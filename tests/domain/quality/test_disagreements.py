"""What counts as a mistake of an annotator, and which mistakes are shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from nextlabel.server.domain.pool.pools import KnownPool
from nextlabel.server.domain.quality.disagreements import Disagreements
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Answer, Label, Outcome, Provenance
from nextlabel.server.values.labeling.tasks import ItemToAnnotate
from nextlabel.server.values.pool import ReferenceItem, Split
from nextlabel.server.values.projects.projects import Project
from tests.store import values as v

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LLM = "claude"


def given(row: int, annotator: str, label: str | None, *, guidelines: str = "now") -> Annotation:
    kind = AnnotatorKind.LLM if annotator == LLM else AnnotatorKind.HUMAN
    source = Provenance(annotator, guidelines_hash=guidelines)
    answer = Answer(Outcome.REFUSED, source) if label is None else Answer(Outcome.LABEL, source, body=Label(label))
    return Annotation(
        id=row,
        project=v.P,
        row=row,
        item_id=f"i{row}",
        annotator=annotator,
        kind=kind,
        trusted=kind is AnnotatorKind.HUMAN,
        outcome=answer.outcome,
        label=label,
        answer=answer,
        run="",
        round=0,
        batch="",
        created_at=NOW,
    )


class Stored:
    """A pool with references and annotations, as the two parts that are asked about them."""

    def __init__(self, annotations: Sequence[Annotation], references: Sequence[ReferenceItem] = ()) -> None:
        self._annotations = annotations
        self._pool = KnownPool(v.P)
        self._pool.add_references(references)

    async def open(self, project: ProjectId) -> KnownPool:
        return self._pool

    async def rows(self, project: Project) -> dict[int, list[Annotation]]:
        rows: dict[int, list[Annotation]] = {}
        for annotation in self._annotations:
            rows.setdefault(annotation.row, []).append(annotation)
        return rows

    async def to_annotate(self, project: ProjectId, rows: Sequence[int]) -> list[ItemToAnnotate]:
        return [ItemToAnnotate(f"i{row}", row, f"text {row}") for row in rows]


def disagreements(annotations: Sequence[Annotation], references: Sequence[ReferenceItem] = ()) -> Disagreements:
    stored = Stored(annotations, references)
    return Disagreements(stored, stored)  # type: ignore[arg-type]  # it plays both


def reference(row: int, split: Split, label: str) -> ReferenceItem:
    return ReferenceItem(row, f"i{row}", split, label, row)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ([given(1, LLM, "a"), given(1, "ann", "b")], [("a", "b")]),
        ([given(1, LLM, "a"), given(1, "ann", "a")], [("a", "a")]),
        ([given(1, LLM, "a"), given(1, "ann", "b"), given(1, "bob", "b")], [("a", "b")]),
        ([given(1, LLM, "a"), given(1, "ann", "b"), given(1, "bob", "c")], []),
        ([given(1, LLM, "a"), given(1, LLM, "c"), given(1, "ann", "b")], [("c", "b")]),
        ([given(1, LLM, "a", guidelines="old"), given(1, "ann", "b")], []),
        ([given(1, LLM, None), given(1, "ann", "b")], []),
        ([given(1, "other llm", "a")], []),
    ],
)
async def test_people_who_agree_are_trusted_and_the_last_answer_under_the_guidelines_counts(
    annotations: list[Annotation], expected: list[tuple[str, str]]
) -> None:
    found = await disagreements(annotations).compared(v.project(), LLM, "now")
    assert [(c.given, c.trusted) for c in found] == [(Label(g), Label(t)) for g, t in expected]


async def test_gold_is_trusted_above_people_and_holdout_never_occurs() -> None:
    annotations = [given(row, who, label) for row in (1, 2, 3) for who, label in ((LLM, "a"), ("ann", "b"))]
    references = [reference(1, Split.GOLD, "c"), reference(2, Split.HOLDOUT, "c"), reference(3, Split.SHADOWED, "")]
    of = disagreements(annotations, references)
    found = await of.compared(v.project(), LLM, "now")
    assert [(c.annotation.row, c.trusted) for c in found] == [(1, Label("c"))]
    assert await of.right_on_gold(v.project(), LLM, "now") == []


async def test_kinds_of_mistakes_take_turns() -> None:
    common = [pair for row in range(20) for pair in (given(row, LLM, "a"), given(row, "ann", "b"))]
    rare = [given(50, LLM, "b"), given(50, "ann", "a"), given(60, LLM, "c"), given(60, "ann", "a")]
    of = disagreements([*common, *rare])
    mistakes = await of.compared(v.project(), LLM, "now")
    shown = await of.shown(v.project(), mistakes, 4)
    assert {one.item.row for one in shown} >= {50, 60}
    assert len(shown) == 4
    assert shown == await of.shown(v.project(), list(reversed(mistakes)), 4)
    assert len(await of.shown(v.project(), mistakes, 100)) == 22
