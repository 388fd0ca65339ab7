"""Where the items of a project stand: read off picks, leases and annotations, so that it cannot contradict them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.labeling.needs import Asker, may_ask
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.batches import PEOPLE, Batch, Pick
from nextlabel.server.values.labeling.item_states import ItemNeed, ItemState
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import HumanOptions, texts_an_item
from nextlabel.server.values.runs.runs import NOT_ENDED, RunState


@dataclass(frozen=True, slots=True)
class ItemStanding:
    """The rows that are not simply unlabeled, holdout, gold and deleted ones included.

    ``answered`` rows have an answer that is of use, those of ``needs`` none of theirs; ``leased``, ``asked``, ``held``
    and ``picked`` may overlap with each other and with these. Nobody is asked about ``held`` ones: a paused run keeps
    them for when it goes on. ``annotations`` and ``consensus`` go on growing.
    """

    annotations: Mapping[int, Sequence[Annotation]]
    consensus: Mapping[int, Consensus]
    answered: Set[int]
    needs: Mapping[int, ItemNeed]
    leased: Set[int]
    asked: Set[int]
    held: Set[int]
    picked: Set[int]

    def state(self, row: int) -> ItemState:
        """Return the state of a row."""
        need = self.needs.get(row)
        if row in self.answered:
            return ItemState.ANSWERED
        if row in self.leased:
            return ItemState.LEASED
        if row in self.asked:
            return ItemState.ASKED
        if need is not None:
            return ItemState.GIVEN_UP if need.given_up else ItemState.NEEDS_ANOTHER
        return ItemState.PICKED if row in self.picked or row in self.held else ItemState.UNLABELED

    def counts(self, rows: Set[int]) -> Counter[ItemState]:
        """Return how many of some rows are in each state."""
        # Most rows of a long project are answered: they are not looked at one by one.
        answered = rows & self.answered
        found = Counter(map(self.state, rows - answered))
        found[ItemState.ANSWERED] = len(answered)
        return found

    def rows(self) -> set[int]:
        """Return the rows that are not unlabeled."""
        return {*self.answered, *self.needs, *self.leased, *self.asked, *self.held, *self.picked}

    def taken(self) -> set[int]:
        """Return the rows that somebody is being asked about, or will be when a paused run goes on."""
        return {*self.leased, *self.asked, *self.held}


@dataclass(frozen=True, slots=True)
class Standings:
    """Reads where items stand."""

    store: StateStore
    labels: Labels
    limits: Limits

    async def of(self, project: Project) -> ItemStanding:
        """Return where the items of a project stand now."""
        by_row = await self.labels.rows(project)
        agreed = await self.labels.consensus(project)
        needs = await self.labels.needs(project)
        leased, (asked, held), picked = await self.store.read(
            lambda tx: (
                tx.labeling.leased_rows(project.id),
                _of_runs(tx, project.id),
                tx.labeling.open_rows(project.id, project.overlap),
            )
        )
        return ItemStanding(
            annotations=by_row,
            consensus=agreed,
            answered=by_row.keys() - needs.keys(),
            needs=needs,
            leased=set(leased),
            asked=asked,
            held=held,
            picked=set(picked),
        )

    def askable(self, standing: ItemStanding, asker: Asker) -> set[int]:
        """Return the rows that need another answer and that somebody may be asked about."""
        return {
            row
            for row in standing.needs
            if may_ask(asker, standing.annotations[row], standing.consensus.get(row), self.limits)
        }


def last_batch(tx: Transaction, project: ProjectId, run: str) -> tuple[Batch, Sequence[Pick]] | None:
    """Return the last batch of a run with the picks that nobody has answered or skipped; deleted ones are left out.

    People may answer outside of a lease, and others may have answered meanwhile; that counts too. Where the run has
    several texts written of an item, all of them are waited for.
    """
    batches = tx.labeling.batches(project, run)
    if not batches:
        return None
    last = batches[-1]
    picks = tx.labeling.picks(last.id)
    given = tx.labeling.annotations(project, rows=[p.row for p in picks])
    by_batch = Counter(a.row for a in given if a.batch == last.id)
    asked = tx.runs.get(run)
    texts = texts_an_item(asked.spec.annotator) if asked else 1
    done = {row for row, answers in by_batch.items() if answers >= texts}
    done |= {
        a.row for a in given if a.batch != last.id and a.outcome.reaches_learner and a.created_at >= last.created_at
    }
    done |= set(tx.pool.deleted_rows(project))
    return last, [p for p in picks if p.row not in done]


def _of_runs(tx: Transaction, project: ProjectId) -> tuple[Set[int], Set[int]]:
    """Return the rows that runs have annotators of the server asked about, and those that paused ones keep."""
    asked: set[int] = set()
    held: set[int] = set()
    for run in tx.runs.list(project, states=NOT_ENDED):
        last = None if isinstance(run.spec.annotator, HumanOptions) else last_batch(tx, project, run.id)
        if last is not None and last[0].asks != PEOPLE:
            of_run = held if run.state is RunState.PAUSED else asked
            of_run.update(pick.row for pick in last[1])
    return asked, held - asked
