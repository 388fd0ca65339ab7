"""All that a MemoryStateStore remembers."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, fields
from typing import Any

from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.values.access import AccessToken, StoredReply
from nextlabel.server.values.errors import Aborted
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.advice import Advice
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.labeling.filters import KeptItem, LabelFilter
from nextlabel.server.values.labeling.leases import Lease, LeaseItem
from nextlabel.server.values.labeling.verdicts import LabelVerdict
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.money.budgets import Budget, Reservation, Window
from nextlabel.server.values.money.ledger import LedgerEntry
from nextlabel.server.values.money.paid_calls import MessageBatchIntent, StoredAnswer
from nextlabel.server.values.pool import ReferenceItem, Segment
from nextlabel.server.values.projects.guidelines import GuidelinesVersion
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.projects.re_embedding import ReEmbedding
from nextlabel.server.values.runs.events import RunEvent
from nextlabel.server.values.runs.runs import Run

_KEPT = ("projects", "tokens", "replies", "deleted_projects", "undropped", "ledger", "last_id")


@dataclass
class Contents:
    """One container for each kind of value; insertion order is age. Keys that are tuples begin with the project."""

    projects: dict[ProjectId, Project] = field(default_factory=dict)
    guidelines: dict[tuple[ProjectId, int], GuidelinesVersion] = field(default_factory=dict)
    segments: dict[tuple[ProjectId, int], Segment] = field(default_factory=dict)
    uploads: dict[tuple[ProjectId, str], int] = field(default_factory=dict)
    references: dict[tuple[ProjectId, int], ReferenceItem] = field(default_factory=dict)
    deleted_rows: dict[tuple[ProjectId, int], int] = field(default_factory=dict)
    replay_labels: dict[tuple[ProjectId, str, str], str] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)
    picks: dict[tuple[ProjectId, str, int], Pick] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    lease_items: dict[tuple[ProjectId, str, int], LeaseItem] = field(default_factory=dict)
    annotations: dict[tuple[ProjectId, int, str, str, int], Annotation] = field(default_factory=dict)
    advice: dict[tuple[ProjectId, int, str], Advice] = field(default_factory=dict)
    label_filters: dict[tuple[ProjectId, str], LabelFilter] = field(default_factory=dict)
    kept_items: dict[tuple[ProjectId, int], KeptItem] = field(default_factory=dict)
    label_verdicts: dict[tuple[ProjectId, int, str, str], LabelVerdict] = field(default_factory=dict)
    re_embeddings: dict[ProjectId, ReEmbedding] = field(default_factory=dict)
    models: dict[tuple[ProjectId, int], ModelVersion] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    run_events: dict[tuple[ProjectId, str, int], RunEvent] = field(default_factory=dict)
    run_rows: dict[tuple[ProjectId, str, str], Rows] = field(default_factory=dict)
    budgets: dict[tuple[ProjectId, str, Window], Budget] = field(default_factory=dict)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    ledger: dict[tuple[ProjectId, int], LedgerEntry] = field(default_factory=dict)
    answers: dict[tuple[ProjectId, str], StoredAnswer] = field(default_factory=dict)
    intents: dict[tuple[ProjectId, str], MessageBatchIntent] = field(default_factory=dict)
    tokens: dict[str, AccessToken] = field(default_factory=dict)
    replies: dict[tuple[str, str], StoredReply] = field(default_factory=dict)
    deleted_projects: dict[ProjectId, str] = field(default_factory=dict)
    undropped: dict[ProjectId, None] = field(default_factory=dict)
    last_id: int = 0

    def snapshot(self) -> dict[str, Any]:
        """Return a copy of all containers."""
        return {f.name: copy(getattr(self, f.name)) for f in fields(self)}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Go back to a snapshot."""
        for name, container in snapshot.items():
            setattr(self, name, container)

    def next_id(self) -> int:
        """Return a number above all earlier ones."""
        self.last_id += 1
        return self.last_id

    def require(self, project: ProjectId) -> None:
        """Raise Aborted when the project does not exist: what belongs to it cannot be added."""
        if project not in self.projects:
            raise Aborted("the project was removed by a concurrent call", reason="CONCURRENT_CHANGE")

    def forget(self, project: ProjectId) -> None:
        """Remove a project and all that belongs to it but its ledger."""
        self.projects.pop(project, None)
        for f in fields(self):
            container = getattr(self, f.name)
            if f.name in _KEPT:
                continue
            kept = {k: v for k, v in container.items() if (k[0] if isinstance(k, tuple) else v.project) != project}
            setattr(self, f.name, kept)
