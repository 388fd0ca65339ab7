"""What labels of people, of LLMs and of others bought, each by themselves: curves, prices of a point, and forecasts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from nextlabel.server.assessment.consensus.by_type import consensus_of
from nextlabel.server.assessment.consensus.joining import Joining
from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.assessment.estimates.arms import LabelArm, arm_of, gain_of
from nextlabel.server.assessment.estimates.point_costs import PointCost, point_cost
from nextlabel.server.assessment.intervals import Estimate, wilson_interval
from nextlabel.server.assessment.label_sources import SOURCES
from nextlabel.server.assessment.stopping.forecast import forecast
from nextlabel.server.domain.learning.samples import EvaluationSet
from nextlabel.server.domain.learning.training_labels.labeled import Labeled, LabeledItems
from nextlabel.server.domain.reports.estimates.forecasts import MOST_LABELS
from nextlabel.server.domain.reports.estimates.label_trials import LabelTrials
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.projects.projects import Project

FEWEST_LABELS = 20
"""Labels that a source needs for a curve of its own."""
MOST_TRAINED_ON = 5_000
"""Labels of a source that learners are trained on, its first ones."""
SHARES = (1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1.0)
_KEPT = 8

Amounts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SourcePoint:
    """A learner of a source's first ``labels`` labels, which cost ``micro_usd``, on the holdout."""

    labels: int
    micro_usd: int
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class Bought:
    """What ``labels`` labels for ``micro_usd`` gained, or are forecast to gain, and what one point of accuracy costs.

    ``money_a_point`` is None where labels cost nothing. ``accuracy`` is what it came or comes to.
    """

    labels: int
    micro_usd: int
    accuracy: Estimate
    gain: Estimate

    @property
    def labels_a_point(self) -> PointCost:
        """Labels that one point takes."""
        return point_cost(self.labels, self.gain)

    @property
    def money_a_point(self) -> PointCost | None:
        """Micro-dollars that one point takes."""
        return point_cost(self.micro_usd, self.gain) if self.micro_usd else None


@dataclass(frozen=True, slots=True)
class SourceCurve:
    """What the labels of one source are worth; ``source`` None is all of them together, as they are joined.

    ``labels`` and ``micro_usd`` count all of its labels and what all its answers cost. With fewer than 20 embedded ones
    there are no ``points``, nor what follows from them. ``last_half`` is what the second half of the labels that were
    trained on brought. ``more_money`` is None where labels cost nothing. ``beside`` is the accuracy with as many labels
    as every other source has, and ``against_first`` what that is above the first source's.
    """

    source: AnnotatorKind | None
    labels: int
    micro_usd: int
    points: Sequence[SourcePoint] = ()
    last_half: Bought | None = None
    more_labels: Bought | None = None
    more_money: Bought | None = None
    beside: Estimate | None = None
    against_first: Estimate | None = None


@dataclass(frozen=True, slots=True)
class LabelSources:
    """The curves, all labels together first where there are several sources, judged on ``holdout`` items.

    ``matched_labels`` is the count at which sources are compared; 0 where there is one alone.
    """

    curves: Sequence[SourceCurve]
    matched_labels: int
    holdout: int


@dataclass(frozen=True, slots=True)
class MoreToBuy:
    """What to forecast for: so many more labels, and so much more money; ``person`` is what a label by a person costs.

    Money is in micro-dollars.
    """

    labels: int = 200
    micro_usd: int = 5_000_000
    person: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """Labels of a source in their order: what its answers had cost by each, and how many of them people had given.

    ``spent`` and ``labels`` are those of all, those included that wait for their embeddings.
    """

    kind: AnnotatorKind | None
    labels: int
    spent: int
    people: int
    spent_N: Amounts
    people_N: Amounts
    arm: LabelArm | None = None


@dataclass(frozen=True, slots=True)
class SourceCurves:
    """Trains learners on the labels of each source alone, and on all of them; what was trained is kept."""

    trials: LabelTrials
    labeled: LabeledItems
    _kept: LRUCache[ProjectId, tuple[Hashable, Sequence[_Source], int]] = field(
        init=False, default_factory=lambda: LRUCache(_KEPT)
    )

    async def of(self, project: Project, ahead: MoreToBuy) -> LabelSources:
        """Return the curves of a project; about a dozen learners are trained for each source when labels have come.

        Advice has no part in it.

        Raises:
            InvalidArgument: an amount is out of range.
            FailedPrecondition: the annotation type has no learner, there is no holdout, or no source has 20 labels.
        """
        _check(ahead)
        async with self.trials.turn:
            sources, matched = await self._sources(project)
        first = next(one for one in sources if one.kind is not None and one.arm is not None)
        holdout = 0 if first.arm is None else first.arm.right_Kn.shape[1]
        curves = [_curve(one, first, matched, ahead) for one in sources]
        return LabelSources(curves, matched, holdout)

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        self._kept.pop(project, None)

    async def _sources(self, project: Project) -> tuple[Sequence[_Source], int]:
        holdout = await self.trials.holdout(project)
        key = project, await self.labeled.labels.revision(project), tuple(holdout.rows)
        kept = self._kept.get(project.id)
        if kept is not None and kept[0] == key:
            return kept[1:]
        by_row = {row: tuple(given) for row, given in (await self.labeled.labels.rows(project)).items()}
        joining = await self.labeled.labels.joining(project)
        alone = await self.trials.learning.executor.run(lambda: _alone(project, by_row, joining))
        agreed = {kind: await self.labeled.of_pool(project, found) for kind, found in alone.items()}
        some: dict[AnnotatorKind | None, Mapping[int, Consensus]] = {kind: f for kind, f in agreed.items() if f}
        if len(some) > 1:
            some = {None: await self.labeled.usable(project), **some}
        given = sorted((one for row in by_row.values() for one in row), key=lambda one: one.id)
        ready = {kind: await self._ready(project, kind, found, given) for kind, found in some.items()}
        counts = [len(labeled.rows_N) for kind, (_, labeled) in ready.items() if kind is not None]
        counts = [count for count in counts if count >= FEWEST_LABELS]
        if not counts:
            most = max((len(labeled.rows_N) for _, labeled in ready.values()), default=0)
            raise FailedPrecondition(
                f"{project.name} has {most} labels of embedded items from one source; curves take {FEWEST_LABELS}: "
                "label more",
                reason="TOO_FEW_LABELS",
            )
        matched = min(counts) if len(counts) > 1 else 0
        sources = [await self._judged(project, *one, holdout, matched) for one in ready.values()]
        self._kept[project.id] = key, sources, matched
        return sources, matched

    async def _ready(
        self,
        project: Project,
        kind: AnnotatorKind | None,
        agreed: Mapping[int, Consensus],
        given: Sequence[Annotation],
    ) -> tuple[_Source, Labeled]:
        """Return a source without its learners, and the labels for them in the order in which they were complete."""
        own = [one for one in given if kind in (None, one.kind)]
        costs = np.cumsum([one.answer.provenance.cost.micro_usd for one in own], dtype=np.int64)
        people = np.cumsum([_is_label_of_person(one) for one in own], dtype=np.int64)
        complete = {one.row: place for place, one in enumerate(own) if one.row in agreed}
        rows = sorted(agreed, key=complete.__getitem__)[:MOST_TRAINED_ON]
        labeled = await self.labeled.embedded(project, {row: agreed[row] for row in rows})
        places = [complete[row] for row in labeled.rows_N.tolist()]
        source = _Source(
            kind=kind,
            labels=len(agreed),
            spent=int(costs[-1]),
            people=int(people[-1]),
            spent_N=costs[places],
            people_N=people[places],
        )
        return source, labeled

    async def _judged(
        self, project: Project, source: _Source, labeled: Labeled, holdout: EvaluationSet, matched: int
    ) -> _Source:
        count = len(labeled.rows_N)
        if count < FEWEST_LABELS:
            return source
        trial = await self.trials.of(project, labeled, holdout)
        shares = (*SHARES, matched / count) if matched else SHARES
        arm = await self.trials.learning.executor.run(lambda: arm_of(trial.right, np.arange(count), count, shares))
        return replace(source, arm=arm)


def _alone(
    project: Project, by_row: Mapping[int, Sequence[Annotation]], joining: Joining | None
) -> Mapping[AnnotatorKind, Mapping[int, Consensus]]:
    """Return what the annotations of each kind add up to alone, whatever others said of the items."""
    found: dict[AnnotatorKind, dict[int, Consensus]] = {kind: {} for kind in SOURCES}
    for row, given in by_row.items():
        for kind in {one.kind for one in given}:
            agreed = consensus_of(project, [one for one in given if one.kind is kind], joining=joining)
            if agreed is not None:
                found[kind][row] = agreed
    return found


def _is_label_of_person(annotation: Annotation) -> bool:
    return annotation.kind is AnnotatorKind.HUMAN and annotation.answer.body is not None


def _check(ahead: MoreToBuy) -> None:
    if not 1 <= ahead.labels <= MOST_LABELS:
        raise InvalidArgument.field("more_labels", f"must be between 1 and {MOST_LABELS:,}, got {ahead.labels}")
    for name, amount in (("more_micro_usd", ahead.micro_usd), ("person_micro_usd", ahead.person)):
        if amount < 0:
            raise InvalidArgument.field(name, f"must not be negative, got {amount}")


def _curve(source: _Source, first: _Source, matched: int, ahead: MoreToBuy) -> SourceCurve:
    all_spent = source.spent + ahead.person * source.people
    arm = source.arm
    if arm is None:
        return SourceCurve(source.kind, source.labels, all_spent)
    spent_N = source.spent_N + ahead.person * source.people_N
    points = [
        SourcePoint(labels, int(spent_N[labels - 1]), _accuracy(right_n))
        for labels, right_n in zip(arm.labels, arm.right_Kn, strict=True)
    ]
    count = arm.labels[-1]
    half = list(arm.labels).index(round(count / 2))
    # How far the learner of a half is from that of all is what the luck was measured by (delete-half jackknife).
    gain = gain_of(arm.right_Kn[half], arm.right_Kn[-1], arm.luck)
    last = Bought(count - arm.labels[half], points[-1].micro_usd - points[half].micro_usd, points[-1].accuracy, gain)
    price = points[-1].micro_usd / count
    beside, against = _beside(arm, first, matched)
    return SourceCurve(
        source=source.kind,
        labels=source.labels,
        micro_usd=all_spent,
        points=points,
        last_half=last,
        more_labels=_more(arm, ahead.labels, price),
        more_money=_more(arm, min(MOST_LABELS, round(ahead.micro_usd / price)), price) if price else None,
        beside=beside,
        against_first=None if source is first else against,
    )


def _beside(arm: LabelArm, first: _Source, matched: int) -> tuple[Estimate | None, Estimate | None]:
    if first.arm is None or matched not in arm.labels or matched not in first.arm.labels:
        return None, None
    ours_n = arm.right_Kn[list(arm.labels).index(matched)]
    theirs_n = first.arm.right_Kn[list(first.arm.labels).index(matched)]
    return _accuracy(ours_n), gain_of(theirs_n, ours_n, sqrt(arm.luck**2 + first.arm.luck**2))


def _more(arm: LabelArm, labels: int, price: float) -> Bought | None:
    count, items = arm.labels[-1], arm.right_Kn.shape[1]
    found = forecast(arm.labels, arm.right_Kn.mean(axis=1), items, count + labels)
    return None if found is None else Bought(labels, round(labels * price), found.accuracy, found.gain)


def _accuracy(right_n: npt.NDArray[np.bool_]) -> Estimate:
    return wilson_interval(int(right_n.sum()), len(right_n))
