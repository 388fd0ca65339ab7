"""What of an annotator's labels may stand without a person looking, under a promise that gold proves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from nextlabel.server.assessment.routing.acceptance import Certificate, Feasibility, Promise, certify, feasibility
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Executor
from nextlabel.server.tasks.answer_form import is_right
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What was found; ``certificate`` is None when the promise cannot be proven. ``answers`` could be accepted."""

    promise: Promise
    feasibility: Feasibility
    certificate: Certificate | None
    answers: int


class Acceptances:
    """Certifies labels. Answers are ordered by the mean of their signals, which no gold was needed for."""

    def __init__(self, store: StateStore, labels: Labels, executor: Executor) -> None:
        self._store = store
        self._labels = labels
        self._executor = executor

    async def certify(self, project: Project, annotator: str, accuracy: float) -> Acceptance:
        """Find the largest set of an annotator's answers about which the promise is proven.

        Raises:
            InvalidArgument: the accuracy does not lie strictly between 0 and 1, or the annotator is the learner.
            FailedPrecondition: the annotator has answered no gold items, or none with a confidence.
        """
        if not 0 < accuracy < 1:
            raise InvalidArgument.field("accuracy", f"strictly between 0 and 1, got {accuracy:g}")
        if annotator == AnnotatorKind.LEARNER:
            raise InvalidArgument.field(
                "annotator",
                "the learner's labels are certified for the whole pool, beside those of the LLMs: "
                "nextlabel quality deliver PROJECT --accuracy, or GetDelivery",
            )
        promise = Promise(accuracy)
        gold, deleted = await self._store.read(lambda tx: _references(tx, project))
        newest = newest_scored(await self._labels.rows(project), annotator, deleted)
        checked = [a for a in newest if a.row in gold]
        if not checked:
            raise FailedPrecondition(
                f"annotator {annotator} has answered no gold item with a confidence; add gold items with their labels "
                "and have it answer them, as a run does when it starts",
                reason="NO_GOLD",
            )
        others = [a for a in newest if a.row not in gold]
        right = np.array([is_right(a.answer.body, gold[a.row], project) for a in checked], np.bool_)
        scores = np.array([score_of(a) for a in checked], np.float64)
        of_others = np.array([score_of(a) for a in others], np.float64)
        found = await self._executor.run(lambda: certify(scores, right, of_others, promise))
        possible = feasibility(right, promise)
        assert possible is not None
        return Acceptance(promise, possible, found, len(others))


def _references(tx: Transaction, project: Project) -> tuple[Mapping[int, str], set[int]]:
    gold = {r.row: r.label for r in tx.pool.references(project.id, Split.GOLD)}
    return gold, set(tx.pool.deleted_rows(project.id))


def newest_scored(
    by_row: Mapping[int, Sequence[Annotation]], annotator: str, deleted: Set[int]
) -> Sequence[Annotation]:
    """Return the annotator's newest answers that carry a label and signals, under its newest guidelines."""
    found = {
        a.row: a
        for given in by_row.values()
        for a in given
        if a.annotator == annotator and a.label is not None and a.answer.signals and a.row not in deleted
    }
    if not found:
        return ()
    used = max(found.values(), key=lambda a: a.id).answer.provenance.guidelines_hash
    return [a for a in found.values() if a.answer.provenance.guidelines_hash == used]


def score_of(annotation: Annotation) -> float:
    """Return the mean of an answer's signals, in [0, 1], higher = surer; no gold was needed for it."""
    signals = annotation.answer.signals.values()
    return sum(signals) / len(signals)
