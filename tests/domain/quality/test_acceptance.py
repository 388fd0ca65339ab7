import random

import pytest

from nextlabel.server.domain.quality.acceptance import Acceptances
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.pool import ReferenceItem, Split
from tests.assessment.annotations import annotation


class Stored:
    """A StateStore and Labels of one project."""

    def __init__(self, desk, project, annotations, gold):
        self.desk, self.annotations = desk, annotations
        desk.tx.pool.add_references(
            project.id, [ReferenceItem(row, f"item{row}", Split.GOLD, label, row) for row, label in gold.items()]
        )

    async def read(self, work):
        return work(self.desk.tx)

    async def rows(self, project):
        found: dict[int, list[Annotation]] = {}
        for a in self.annotations:
            found.setdefault(a.row, []).append(a)
        return found

    async def run(self, work):
        return work()


def acceptances(desk, project, annotations, gold):
    stored = Stored(desk, project, annotations, gold)
    return Acceptances(stored, stored, stored)  # type: ignore[arg-type]  # it plays all three


def answered(rows, chance):
    """Answers 'a' whose signal tells how likely they are right."""
    given = []
    for row in rows:
        said = chance.choice([0.6, 0.99])
        given.append(annotation(row, "mini", "a", row=row, signals={"verbalised": said}))
    return given


async def test_sure_answers_are_accepted_and_unsure_ones_left_to_people(desk):
    project, chance = desk.create(), random.Random(0)
    given = answered(range(600), chance)
    sure = {a.row: a.answer.signals["verbalised"] > 0.9 for a in given}
    gold = {row: "a" if sure[row] or row % 2 else "b" for row in range(300)}
    found = await acceptances(desk, project, given, gold).certify(project, "mini", 0.95)
    assert found.answers == 300
    assert found.certificate is not None
    assert 0.6 < found.certificate.threshold <= 0.99
    assert found.certificate.share == sum(sure[row] for row in range(300, 600)) / 300
    assert found.feasibility.accuracy.value == pytest.approx(0.75, abs=0.06)
    assert found.feasibility.people_at_least > 0.1


async def test_what_cannot_be_proven_is_not_promised(desk):
    project, chance = desk.create(), random.Random(1)
    gold = {row: "ab"[row % 2] for row in range(40)}
    found = await acceptances(desk, project, answered(range(90), chance), gold).certify(project, "mini", 0.95)
    assert found.certificate is None
    assert found.feasibility.gold_missing == 19
    with pytest.raises(FailedPrecondition, match="no gold item"):
        await acceptances(desk, project, [], {}).certify(project, "mini", 0.9)
    with pytest.raises(InvalidArgument, match="nextlabel quality deliver"):
        await acceptances(desk, project, [], {}).certify(project, "learner", 0.9)
    with pytest.raises(InvalidArgument, match="strictly between"):
        await acceptances(desk, project, [], {}).certify(project, "mini", 1.0)
