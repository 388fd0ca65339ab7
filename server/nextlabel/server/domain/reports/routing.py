"""Who should label the rest of a pool for a budget: learner, LLMs, people, or one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.assessment.routing.cascades import GoldAnswers, Places, Prices
from nextlabel.server.assessment.routing.plans import FEWEST_GOLD, MOST_ANNOTATORS, RoutePlan, plan
from nextlabel.server.assessment.routing.sources import calibrator_of
from nextlabel.server.domain.quality.people_on_gold import people_on_gold
from nextlabel.server.domain.reports.delivery.deliveries import Deliveries
from nextlabel.server.domain.reports.delivery.evidence import DeliveryEvidence
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class AnnotatorPrice:
    """An annotator that may be asked; 0 micro-dollars for what its answers have cost so far."""

    annotator: str
    micro_usd: int


@dataclass(frozen=True, slots=True)
class FoundPlan:
    """A plan with what it went by: prices in micro-dollars; how right people are on gold, None where taken as right.

    ``rows_n`` are those of the items that it is about, and ``model_version`` the one whose labels they have.
    """

    plan: RoutePlan
    rows_n: Rows
    model_version: int
    prices: Mapping[str, float]
    person_accuracy: Estimate | None


@dataclass(frozen=True, slots=True)
class RoutePlans:
    """Plans routes for the items that nobody has answered."""

    deliveries: Deliveries
    executor: Executor

    async def plan(self, project: Project, budget: int, annotators: Sequence[AnnotatorPrice], person: int) -> FoundPlan:
        """Return the plan for a budget; all money in micro-dollars, ``person`` 0 leaves people out.

        Raises:
            InvalidArgument: an amount below 0, too many annotators, one twice, or one whose price is not known.
            FailedPrecondition: no model, nothing to label, or too little gold that everybody has answered.
        """
        _check(project, budget, annotators, person)
        evidence, version = await self.deliveries.evidence(project)
        if not version:
            raise FailedPrecondition(
                f"project {project.name} has no model yet; label some items and train, or start a run",
                reason="NO_MODEL",
            )
        return await self.executor.run(lambda: _found(evidence, version, budget, annotators, person))


def _check(project: Project, budget: int, annotators: Sequence[AnnotatorPrice], person: int) -> None:
    check_routable(project)
    for field, amount in (("budget_micro_usd", budget), ("person_micro_usd", person)):
        if amount < 0:
            raise InvalidArgument.field(field, f"must not be negative, got {amount}")
    if len(annotators) > MOST_ANNOTATORS:
        raise InvalidArgument.field("annotators", f"at most {MOST_ANNOTATORS}, got {len(annotators)}")
    names = [one.annotator for one in annotators]
    for place, one in enumerate(annotators):
        if one.micro_usd < 0:
            raise InvalidArgument.field(f"annotators[{place}].micro_usd", f"must not be negative, got {one.micro_usd}")
        if one.annotator in names[:place]:
            raise InvalidArgument.field(f"annotators[{place}].annotator", f"{one.annotator!r} is there twice")


def check_routable(project: Project) -> None:
    """Raise FailedPrecondition unless answers of the project are single labels, which routes compare."""
    if project.annotation_type is not AnnotationType.SINGLE_LABEL:
        raise FailedPrecondition(
            f"project {project.name} asks for {project.annotation_type.shown} annotations; routes are planned for "
            "single labels",
            reason="NOT_SINGLE_LABEL",
        )


def _found(
    evidence: DeliveryEvidence, version: int, budget: int, annotators: Sequence[AnnotatorPrice], person: int
) -> FoundPlan:
    people = people_on_gold(evidence.project, evidence.gold, evidence.by_row)
    prices = Prices(
        annotators={one.annotator: _price(evidence, one, place) for place, one in enumerate(annotators)},
        person=person or None,
        person_accuracy=1.0 if people is None else people.value,
    )
    gold = gold_answers(evidence, [one.annotator for one in annotators])
    calibrator = calibrator_of(gold.sure_G, gold.learned_G == gold.truth_G)
    open_n = evidence.asked_n[~np.isin(evidence.asked_n, np.array(list(evidence.consensus), np.int64))]
    open_n = open_n[~np.isnan(evidence.predicted_N[open_n])]
    sure_n = evidence.predicted_N[open_n]
    if not len(sure_n):
        raise FailedPrecondition(
            f"every item of project {evidence.project.name} has been answered; there is nothing to route",
            reason="NOTHING_TO_LABEL",
        )
    assert calibrator is not None  # there is enough gold
    sure_G = calibrator.probabilities(gold.sure_G)
    calibrated = GoldAnswers(gold.truth_G, gold.learned_G, sure_G, gold.given)
    found = plan(calibrated, calibrator.probabilities(sure_n), prices, budget)
    return FoundPlan(found, open_n, version, prices.annotators, people)


def _price(evidence: DeliveryEvidence, one: AnnotatorPrice, place: int) -> float:
    if one.micro_usd:
        return float(one.micro_usd)
    paid = [
        a.answer.provenance.cost.micro_usd
        for given in evidence.by_row.values()
        for a in given
        if a.annotator == one.annotator
    ]
    if not sum(paid):
        raise InvalidArgument.field(
            f"annotators[{place}].micro_usd",
            f"say what a label of {one.annotator!r} costs: none of its answers in this project was paid for",
        )
    return sum(paid) / len(paid)


def gold_answers(evidence: DeliveryEvidence, names: Sequence[str]) -> GoldAnswers:
    """Return the gold items that everybody has been asked about."""
    answered = {name: _places(evidence, name) for name in names}
    rows = [row for row in sorted(evidence.learned_gold) if all(row in given for given in answered.values())]
    if len(rows) < FEWEST_GOLD:
        fewest = min(answered, key=lambda name: len(answered[name]), default="")
        said = f"; {fewest} has answered {len(answered[fewest])}" if fewest else ""
        raise FailedPrecondition(
            f"routes take {FEWEST_GOLD} gold items that all annotators have answered, there are {len(rows)}{said}. Add "
            "gold items; a run asks its annotator about them when it starts",
            reason="TOO_LITTLE_GOLD",
        )
    place = {name: number for number, name in enumerate(evidence.project.class_names)}
    learned = [body.name if isinstance(body := evidence.learned_gold[row], Label) else "" for row in rows]
    return GoldAnswers(
        truth_G=np.array([place[evidence.gold[row]] for row in rows], np.int64),
        learned_G=np.array([place[name] for name in learned], np.int64),
        sure_G=evidence.predicted_N[rows],
        given={name: _taken(given, rows) for name, given in answered.items()},
    )


def _places(evidence: DeliveryEvidence, name: str) -> Mapping[int, int]:
    """Return the place of the class that an annotator has given each gold item, -1 where it has no usable answer."""
    place = {label: number for number, label in enumerate(evidence.project.class_names)}
    return {
        row: place.get(given[-1].label or "", -1)
        for row in evidence.gold
        if (given := [a for a in evidence.by_row.get(row, ()) if a.annotator == name])
    }


def _taken(given: Mapping[int, int], rows: Sequence[int]) -> Places:
    return np.array([given[row] for row in rows], np.int64)
