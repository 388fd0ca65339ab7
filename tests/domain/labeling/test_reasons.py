"""Reasons that are worth showing: for the right answer, and citing nothing but what stands in the item."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nextlabel.server.domain.labeling.reasons import best_reason
from nextlabel.server.domain.learning.neighbours import LabeledNeighbours
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Answer, Body, Outcome, Provenance
from tests.domain.service import Service
from tests.store import values as v
from tests.tasks.bodies import BODIES

ITEM = StoredItem(0, "i", "My card is lost.", "")


def given(number: int, body: Body, reason: str, *, trusted: bool = False) -> Annotation:
    answer = Answer(Outcome.LABEL, Provenance(f"w{number}"), body, rationale=reason)
    return replace(v.annotation(0, f"w{number}"), id=number, answer=answer, trusted=trusted, outcome=Outcome.LABEL)


@pytest.mark.parametrize("kind", list(BODIES), ids=lambda kind: kind.value)
def test_the_reason_for_an_answer_of_every_type_is_for_that_answer_and_cites_what_is_there(
    kind: AnnotationType,
) -> None:
    right, wrong = BODIES[kind]
    found = [
        given(1, right, 'It says "stolen".'),
        given(2, wrong, 'It says "lost".'),
        given(3, right, 'It says "card is LOST".'),
        given(4, right, " "),
    ]
    best = best_reason(ITEM, found, right)
    assert best is not None
    assert best.annotator == "w3"
    by_person = given(0, right, "The card is gone.", trusted=True)
    assert best_reason(ITEM, [by_person, *found], right) == by_person
    assert best_reason(ITEM, found[:1], right) is None


async def test_demonstrations_come_with_reasons(service: Service) -> None:
    project = await service.create()
    await service.add(project, ["i0", "i1"])
    await service.label(project, {"i0": "left", "i1": "right"})
    await service.answer_as_llm(project, {"i0": "left", "i1": "left"}, rationale="It leans that way.")
    parts = service.parts
    known = LabeledNeighbours(project, parts.pool.pools, parts.labeling.labels, parts.learning.learning)
    assert {one.item_id: one.rationale for one in await known.fixed(2)} == {"i0": "It leans that way.", "i1": ""}
