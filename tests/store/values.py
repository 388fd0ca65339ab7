"""Values that the store tests put in and expect back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.access import AccessToken, Role, StoredReply
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Answer, ConfidenceKind, Label, Outcome, Provenance
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.labeling.leases import Lease, LeaseItem, LeaseState
from nextlabel.server.values.money.budgets import Reservation
from nextlabel.server.values.money.costs import Cost, Usage
from nextlabel.server.values.money.ledger import LedgerEntry, LedgerKind
from nextlabel.server.values.projects.projects import Component, LabelClass, Project

NOW = datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)
P = ProjectId("p1")


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def project(id: str = "p1", name: str | None = None) -> Project:  # noqa: A002
    return Project(
        id=ProjectId(id),
        name=name or f"name of {id}",
        annotation_type=AnnotationType.SINGLE_LABEL,
        classes=(LabelClass("a", "first \u00e9", examples=("one\n", "two")), LabelClass("b")),
        guidelines_version=1,
        embedding_model="minilm",
        embedding_dimension=384,
        learner=Component("logistic", {"C": 10.0, "nested": {"x": [1, 2, None, True]}}),
        strategy=Component("margin"),
        overlap=1,
        lease_ttl_s=600.5,
        audit_share=0.1,
        show_suggestions=True,
        created_at=NOW,
        updated_at=NOW,
    )


def batch(id: str = "b1", of: ProjectId = P, run: str = "", seed: int = 2**64 - 1) -> Batch:  # noqa: A002
    return Batch(id, of, Component("margin", {"k": 3}), NOW, run, 1, 2, 100, seed)


def pick(row: int, batch: str = "b1", position: int | None = None, taken: int = 0) -> Pick:
    return Pick(batch, row if position is None else position, row, f"item-{row}", 0.5, 0.25, "top", False, taken)


def lease(id: str = "l1", annotator: str = "ann", of: ProjectId = P, expires: float = 60) -> Lease:  # noqa: A002
    return Lease(id, of, annotator, LeaseState.ACTIVE, "r1", at(expires), NOW)


def lease_item(row: int, lease: str = "l1", batch: str = "b1") -> LeaseItem:
    return LeaseItem(lease, batch, row, f"item-{row}")


def answer(label: str = "a") -> Answer:
    return Answer(
        outcome=Outcome.LABEL,
        provenance=Provenance(annotator="ann", usage=Usage(10, 5), cost=Cost(1, 15, 30), latency_ms=1.5),
        body=Label(label),
        confidence=0.75,
        confidence_kind=ConfidenceKind.UNCALIBRATED,
        signals={"verbalised": 0.75},
    )


def annotation(
    row: int, annotator: str = "ann", batch: str = "b1", run: str = "", label: str | None = "a", of: ProjectId = P
) -> Annotation:
    outcome = Outcome.LABEL if label else Outcome.REFUSED
    body = answer(label) if label else Answer(Outcome.REFUSED, Provenance("ann"), detail="no")
    return Annotation(
        0, of, row, f"item-{row}", annotator, AnnotatorKind.LLM, False, outcome, label, body, run, 1, batch, NOW
    )


def reservation(id: str = "r1", key: str = "", of: ProjectId = P) -> Reservation:  # noqa: A002
    return Reservation(id, key, of, "run", "annotation", Cost(1, 100, 1000), True, "2026-03-04", NOW)


def entry(of: ProjectId = P) -> LedgerEntry:
    return LedgerEntry(0, of, "run", "r1", "annotation", LedgerKind.SETTLE, Cost(1, 100, 1000), NOW)


def token(id: str = "t1", role: Role = Role.ANNOTATOR) -> AccessToken:  # noqa: A002
    return AccessToken(id, f"hash of {id}", "laptop", role, "", NOW, at(100), None)


def reply(request_id: str = "q1", principal: str = "me", created: float = 0) -> StoredReply:
    return StoredReply(request_id, principal, "CreateProject", "f", b"\x00\xff", at(created))


Unit = Callable[[Transaction], None]


def inserted(*projects: Project) -> Unit:
    """A unit of work that adds projects."""

    def work(tx: Transaction) -> None:
        for each in projects:
            tx.projects.insert(each)

    return work


def picked(*picks: Pick) -> Unit:
    """A unit of work that adds the project with one batch."""

    def work(tx: Transaction) -> None:
        tx.projects.insert(project())
        tx.labeling.add_batch(batch(), picks)

    return work
