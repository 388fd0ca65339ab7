"""Who judges texts, and how far each can be trusted: beside people, and whatever comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.assessment.consensus.by_type import consensus_of
from nextlabel.server.assessment.intervals import Estimate, wilson_interval
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.texts.judgements import check_judging
from nextlabel.server.tasks.preference import PreferredPlace, is_consistent, place_preferred
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class TextJudge:
    """A judge.

    ``agreement`` is the share of its answers that people give who judged the same, others than itself.
    ``consistency`` is the share of pairs that it judges alike in both orders; None where it was not asked in both.
    ``preferred_first`` counts those of which it preferred what came first both times, ``preferred_second`` the others
    that it contradicted itself about.
    """

    name: str
    kind: AnnotatorKind
    answers: int
    cost: Cost
    agreement: Estimate | None
    consistency: Estimate | None
    preferred_first: int
    preferred_second: int


async def judges_of(labels: Labels, judging: Project) -> list[TextJudge]:
    """Return the judges of a project, those with most answers first.

    Raises:
        FailedPrecondition: nothing is judged in this project.
    """
    check_judging(judging)
    by_row = await labels.rows(judging)
    found = []
    for name, given in (await labels.by_annotator(judging)).items():
        newest = [a for a in {a.row: a for a in given}.values() if a.answer.body is not None]
        alike = [
            same
            for a in newest
            if (same := _same_as_people(judging, a, [b for b in by_row[a.row] if b.annotator != name])) is not None
        ]
        found.append(_judge(name, given, newest, wilson_interval(sum(alike), len(alike)) if alike else None))
    return sorted(found, key=lambda judge: -judge.answers)


def _judge(
    name: str, given: Sequence[Annotation], newest: Sequence[Annotation], agreement: Estimate | None
) -> TextJudge:
    turned = [a.answer for a in newest if place_preferred(a.answer) is not None]
    places = [place_preferred(answer) for answer in turned]
    alike = sum(map(is_consistent, turned))
    return TextJudge(
        name=name,
        kind=given[0].kind,
        answers=len(newest),
        cost=sum((a.answer.provenance.cost for a in given), Cost()),
        agreement=agreement,
        consistency=wilson_interval(alike, len(turned)) if turned else None,
        preferred_first=places.count(PreferredPlace.FIRST),
        preferred_second=places.count(PreferredPlace.SECOND),
    )


def _same_as_people(judging: Project, answer: Annotation, others: Sequence[Annotation]) -> bool | None:
    agreed = consensus_of(judging, [b for b in others if b.kind is AnnotatorKind.HUMAN])
    if agreed is None or agreed.split or answer.answer.body is None:
        return None
    return task_type(judging.annotation_type).same(answer.answer.body, agreed.body, judging)
