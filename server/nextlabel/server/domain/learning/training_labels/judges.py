"""How judges of labels did on gold, beside what they say of the labels that there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nextlabel.server.assessment.filters.judges import ENOUGH, JudgeOnGold, judge_on_gold
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.training_labels.labeled import LabeledItems
from nextlabel.server.domain.learning.training_labels.verdicts import about, guidelines_digest
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.tasks.answer_form import is_right
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.verdicts import LabelRuling, LabelVerdict
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """What a judge said by the guidelines in force: rulings about the labels that there are now, and on gold."""

    judge: str
    rulings: Mapping[LabelRuling, int]
    on_gold: JudgeOnGold | None


@dataclass(frozen=True, slots=True)
class Judges:
    """Reads verdicts and compares those about gold items with gold."""

    store: StateStore
    pools: Pools
    labels: Labels
    labeled: LabeledItems

    async def reports(self, project: Project) -> Sequence[JudgeReport]:
        """Return every judge that has said anything, by name."""
        digest = await self.store.read(lambda tx: guidelines_digest(tx, project))
        given = await self.store.read(lambda tx: tx.filters.verdicts(project.id))
        by_judge: dict[str, dict[tuple[int, str], LabelVerdict]] = {}
        for one in given:
            by_judge.setdefault(one.judge, {})[one.row, one.about] = one
        if not by_judge:
            return []
        gold = await self._right_on_gold(project, digest)
        standing = [
            (row, about(agreed.body, digest))
            for row, agreed in (await self.labeled.usable(project)).items()
            if not agreed.trusted
        ]
        return [
            JudgeReport(
                judge,
                Counter(own[key].ruling for key in standing if key in own),
                judge_on_gold(
                    [
                        (right, own[key].ruling is LabelRuling.WRONG)
                        for key, right in gold.items()
                        if key in own and own[key].ruling is not LabelRuling.NONE
                    ]
                ),
            )
            for judge, own in sorted(by_judge.items())
        ]

    async def check_measured(self, project: Project) -> None:
        """Raise FailedPrecondition unless a judge there is, and gold says of every one how far it can be trusted."""
        reports = await self.reports(project)
        if not reports:
            raise FailedPrecondition(
                f"no judge has judged labels of project {project.name}; have one judge them first: "
                "nextlabel quality judge, or JudgeLabels",
                reason="JUDGE_NOT_MEASURED",
            )
        for report in reports:
            judged = report.on_gold.answers if report.on_gold else 0
            if judged < ENOUGH:
                raise FailedPrecondition(
                    f"judge {report.judge} has judged {judged} answers about gold items, and a filter may go by it "
                    f"once they are {ENOUGH}: add gold items, have an annotator other than people answer them (a run "
                    "with an LLM does when it starts), and have the judge go on",
                    reason="JUDGE_NOT_MEASURED",
                )

    async def _right_on_gold(self, project: Project, digest: str) -> Mapping[tuple[int, str], bool]:
        """Return whether answers about gold items are right, by row and digest of the label."""
        gold = (await self.pools.open(project.id)).gold
        by_row = await self.labels.rows(project)
        return {
            (row, about(body, digest)): is_right(body, item.label, project)
            for row, item in gold.items()
            for one in model_answers(by_row.get(row, ()))
            if (body := one.answer.body) is not None
        }


def model_answers(given: Sequence[Annotation]) -> Iterator[Annotation]:
    """Yield the newest answer of each annotator that is no person, those with equal labels once."""
    seen = set()
    for one in {a.annotator: a for a in given if a.kind is not AnnotatorKind.HUMAN and a.answer.body}.values():
        if one.answer.body not in seen:
            seen.add(one.answer.body)
            yield one
