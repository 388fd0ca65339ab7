"""What the command has the server do: a project, its items, a run. Everything may be done again after a cut."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nextlabel.client.items import Item
from nextlabel.client.known_labels import KNOWN
from nextlabel.client.messages.enums import enum_name
from nextlabel.server.auto.asked import Asked
from nextlabel.server.auto.rows import SourceRow
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.projects.score_range import ScoreRange

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.v1.project_service_pb2 import Project
    from nextlabel.v1.run_service_pb2 import QuoteRunResponse, RunSpec

PROJECT = "auto"

_SMALLEST_BATCH = 20
_LARGEST_BATCH = 500
_ROUNDS = 20
_ACTIVE = ("RUN_STATE_PENDING", "RUN_STATE_RUNNING", "RUN_STATE_STOPPING")


@dataclass(frozen=True, slots=True)
class Job:
    """The project behind a file."""

    client: Client

    def prepare(self, wanted: Asked, guidelines: str) -> None:
        """Create the project, or find it as an earlier call left it.

        Raises:
            FailedPrecondition: it is there and asks for something else.
        """
        present = {project.name: project for project in self.client.projects.list()}
        if PROJECT not in present:
            allowed = wanted.scores
            self.client.projects.create(
                PROJECT,
                labels=wanted.classes.values(),
                paths=wanted.paths,
                annotation_type=wanted.annotation_type,
                score_range=(allowed.minimum, allowed.maximum, allowed.step) if allowed else None,
                guidelines=guidelines,
            )
            return
        found = _asks_for(present[PROJECT])
        if found != (wanted.annotation_type, [*wanted.classes], wanted.scores, wanted.paths):
            raise FailedPrecondition(
                f"an earlier call with this file asked for {_said(*found)}; ask for the same, or give another "
                "--data-dir to begin anew",
                reason="OTHER_CLASSES",
            )

    def add(self, rows: Iterable[SourceRow]) -> Mapping[str, str]:
        """Add what is not there yet, and known labels; return the ids of items that cannot be taken, and why."""
        rows = [row for row in rows if row.item_id]
        # Holdout and gold first, so that a pool item of the same text is kept apart from training.
        holdout = [Item(row.text, row.item_id, label=row.known) for row in rows if row.is_holdout]
        gold = [Item(row.text, row.item_id, label=row.known) for row in rows if row.is_gold]
        self.client.pool.add(PROJECT, holdout, split="holdout")
        self.client.pool.add(PROJECT, gold, split="gold")
        pool = {row.item_id: row for row in rows if not (row.is_holdout or row.is_gold)}
        refused = self._refused([Item(row.text, row.item_id) for row in pool.values()])
        taken = [row for row in pool.values() if row.item_id not in refused]
        known = {row.item_id: row.known for row in taken if row.known is not None}
        if known:
            self._make_room(known)
            self.client.labeling.submit(PROJECT, known, annotator=KNOWN)
        return refused

    def _make_room(self, known: Collection[str]) -> None:
        """Have known labels of more items cost nothing of what an earlier call allowed."""
        budget = self.client.budgets.get(PROJECT, "labels")
        if budget.HasField("limit"):
            self.client.budgets.set(PROJECT, "labels", budget.limit + len({*known} - self._known()))

    def _known(self) -> Set[str]:
        return {label.item_id for label in self.client.labeling.annotations(PROJECT, annotator=KNOWN)}

    def _refused(self, items: Sequence[Item]) -> Mapping[str, str]:
        added = self.client.pool.add(PROJECT, items)
        if added.rejected <= len(added.errors):
            return {error.item_id: error.message for error in added.errors}
        # More than one answer lists: what was taken is taken, so the halves are asked for their reasons.
        half = len(items) // 2
        return {**self._refused(items[:half]), **self._refused(items[half:])}

    def limit(self, usd: float | None, labels: int | None) -> None:
        """Bound what all calls together may spend; None is no bound. Known labels are in the books, but free."""
        self.client.budgets.set(PROJECT, "micro_usd", None if usd is None else round(usd * 1e6))
        if labels is not None:
            labels += len(self._known())
        self.client.budgets.set(PROJECT, "labels", labels)

    def batch_size(self, items: int) -> int:
        """Return how many items a round asks for: about a twentieth of them, from 20 to 500."""
        return max(_SMALLEST_BATCH, min(_LARGEST_BATCH, items // _ROUNDS))

    def quote(self, spec: RunSpec) -> QuoteRunResponse:
        """Return what a run would cost."""
        return self.client.runs.quote(PROJECT, spec)

    def taken_up(self) -> str | None:
        """Return the id of the run that an earlier call left under way, if there is one; a paused one is resumed."""
        from nextlabel.v1.run_service_pb2 import RUN_STATE_PAUSED, RunState

        for run in self.client.runs.list(PROJECT):
            if run.state == RUN_STATE_PAUSED:
                self.client.runs.resume(PROJECT, run.run_id)
            if run.state == RUN_STATE_PAUSED or RunState.Name(run.state) in _ACTIVE:
                return run.run_id
        return None


def _asks_for(project: Project) -> tuple[str, list[str], ScoreRange | None, bool]:
    kind, allowed = enum_name(project, "annotation_type"), project.score_range
    scores = ScoreRange(allowed.minimum, allowed.maximum, allowed.step) if kind == "score" else None
    return kind, [c.name for c in project.label_space.classes], scores, project.label_space.paths


def _said(kind: str, classes: Sequence[str], scores: ScoreRange | None, paths: bool) -> str:
    if scores is not None:
        return f"scores {scores}"
    which = "one of the classes" if kind == "single_label" else "any of the classes"
    return f"{which} {', '.join(classes)}{', whose names are paths' if paths else ''}"
