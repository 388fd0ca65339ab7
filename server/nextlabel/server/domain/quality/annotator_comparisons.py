"""Whether one annotator may take the place of another, told from gold items that both have answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nextlabel.server.assessment.agreement.paired_accuracy import PairedAccuracy
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.tasks.answer_form import is_right
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.answers import Outcome
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class AnnotatorComparison:
    """How two annotators did on the gold items that both answered.

    ``gold`` items there are; ``unanswered`` ones only the first annotator has answered.
    """

    paired: PairedAccuracy
    gold: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class AnnotatorComparisons:
    """Compares annotators by the answers that there are; nobody is asked."""

    store: StateStore

    async def compare(self, project: Project, annotator: str, successor: str) -> AnnotatorComparison:
        """Compare the newest answers of both; one that says nothing of the item counts as wrong, a failed call not.

        Raises:
            InvalidArgument: a name is empty, or both are the same.
            FailedPrecondition: there is no gold item that both have answered.
        """
        for field, name in (("annotator", annotator), ("successor", successor)):
            if not name:
                raise InvalidArgument.field(field, "name of an annotator")
        if annotator == successor:
            raise InvalidArgument.field("successor", f"another annotator than {annotator}")
        return await self.store.read(lambda tx: _compared(tx, project, annotator, successor))


def _compared(tx: Transaction, project: Project, annotator: str, successor: str) -> AnnotatorComparison:
    gone = set(tx.pool.deleted_rows(project.id))
    gold = {one.row: one.label for one in tx.pool.references(project.id, Split.GOLD) if one.row not in gone}
    first = _right(tx, project, annotator, gold)
    second = _right(tx, project, successor, gold)
    shared = [(right, second[row]) for row, right in first.items() if row in second]
    if not shared:
        raise FailedPrecondition(
            f"of {len(gold):,} gold items {annotator} has answered {len(first):,} and {successor} {len(second):,}, "
            "no item both; a run asks its annotator about gold when it starts: start one with each that has answered "
            "none, with a budget of 1 label",
            reason="NO_GOLD",
        )
    return AnnotatorComparison(PairedAccuracy.of(shared), len(gold), len(first) - len(shared))


def _right(tx: Transaction, project: Project, annotator: str, gold: Mapping[int, str]) -> Mapping[int, bool]:
    """Return whether the newest answers of an annotator about gold items are right, by row."""
    if not gold:
        return {}
    given = tx.labeling.annotations(project.id, rows=sorted(gold), annotator=annotator)
    newest = {a.row: a for a in given if a.outcome is not Outcome.FAILED}
    return {row: is_right(a.answer.body, gold[row], project) for row, a in newest.items()}
