"""Takes labels that were known beforehand, for replay annotators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.tasks.answer_form import body_problem, completed, written
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects.projects import Project

_SHOWN_ERRORS = 100


@dataclass(frozen=True, slots=True)
class KnownLabel:
    """An answer known for an item; None where none came."""

    item_id: str
    body: Body | None


@dataclass(frozen=True, slots=True)
class RefusedLabel:
    """A label that was not taken: its place in the stream from 0, its item, and why, for people."""

    index: int
    item_id: str
    message: str


@dataclass(slots=True)
class ReplayTally:
    """What became of a stream so far; ``errors`` are the first of the rejected ones."""

    seen: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    errors: list[RefusedLabel] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ReplayLabels:
    """Stores known labels. What was cut off can be sent again from its beginning."""

    store: StateStore
    limits: Limits

    def check_name(self, label_set: str) -> None:
        """Check the name of a set.

        Raises:
            InvalidArgument: it is empty, too long or not printable.
        """
        if not label_set or not label_set.isprintable() or len(label_set.encode()) > self.limits.class_name_bytes:
            raise InvalidArgument.field(
                "header.label_set", f"give a name of 1 to {self.limits.class_name_bytes} printable characters"
            )

    async def take(self, project: Project, label_set: str, labels: Sequence[KnownLabel], tally: ReplayTally) -> None:
        """Store the labels that are valid, and count them and the others in ``tally``."""
        valid: dict[str, str] = {}
        for index, known in enumerate(labels, start=tally.seen):
            problem = self._problem(project, known)
            if not problem:
                body = None if known.body is None else completed(known.body, project)
                valid[known.item_id] = written(body) or ""
                continue
            tally.rejected += 1
            if len(tally.errors) < _SHOWN_ERRORS:
                tally.errors.append(RefusedLabel(index, known.item_id, problem))
        tally.seen += len(labels)

        def work(tx: Transaction) -> int:
            present = tx.pool.replay_labels(project.id, label_set, list(valid))
            new = [(item_id, label) for item_id, label in valid.items() if present.get(item_id) != label]
            tx.pool.put_replay_labels(project.id, label_set, new)
            return len(new)

        accepted = await self.store.write(work) if valid else 0
        tally.accepted += accepted
        tally.duplicates += len(valid) - accepted

    def _problem(self, project: Project, known: KnownLabel) -> str:
        if not known.item_id or len(known.item_id.encode()) > self.limits.item_id_bytes:
            return f"item_id: must be 1 to {self.limits.item_id_bytes} bytes of UTF-8"
        if known.body is None or written(known.body) is None:
            return f"answer: must be of type {project.annotation_type.shown}"
        problem = body_problem(known.body, project)
        return f"answer: {problem}" if problem else ""
