"""The tables. Columns are named as the fields of the values in ``domain/state.py`` that they hold.

Times are microseconds since 1970 in UTC; unsigned 64-bit integers are stored with their bits as signed ones;
structured settings are canonical JSON. ``seq`` gives the order of insertion. The migrations create the same tables.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, LargeBinary, Table, Text

UNDROPPED = "NOT dropped"
UNSETTLED = "open"
PRESUMED = "(presumed_tokens > 0 OR presumed_micro_usd > 0)"
"""Conditions of indexes on the few deleted projects and reservations that something is still to be done about."""

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _seq() -> Column[int]:
    # Only a column declared INTEGER is SQLite's own row id.
    return Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


def _project(**options: Any) -> Column[str]:
    return Column("project", Text, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False, **options)


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **options)


def _int(name: str, **options: Any) -> Column[int]:
    return Column(name, BigInteger, nullable=False, **options)


def _bool(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _float(name: str) -> Column[float]:
    return Column(name, Double, nullable=False)


def _cost(name: str, **options: Any) -> list[Column[int]]:
    wanted = {"nullable": False, **options}
    return [Column(f"{name}_{d}", BigInteger, **wanted) for d in ("labels", "tokens", "micro_usd")]


def _where(condition: str) -> dict[str, Any]:
    """Return the options of an index over some rows only; a query that gives the same condition finds them by it."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


projects = Table(
    "projects",
    metadata,
    _text("id", primary_key=True),
    _text("name", unique=True),
    _text("annotation_type"),
    _text("classes"),
    _int("guidelines_version"),
    _text("embedding_model"),
    _int("embedding_dimension"),
    _text("learner"),
    _text("strategy"),
    _int("overlap"),
    _float("lease_ttl_s"),
    _float("audit_share"),
    _bool("show_suggestions"),
    _int("created_at"),
    _int("updated_at"),
)

deleted_projects = Table(
    "deleted_projects",
    metadata,
    _seq(),
    _text("id", unique=True),
    _text("name", index=True),
    _int("deleted_at"),
    _bool("dropped"),
    Index("ix_deleted_projects_undropped", "seq", **_where(UNDROPPED)),
)

guidelines = Table(
    "guidelines",
    metadata,
    _project(primary_key=True),
    _int("version", primary_key=True),
    _text("text"),
    _text("status"),
    _text("author"),
    _text("comment"),
    _int("created_at"),
    _int("base_version", server_default="0"),
    Column("effect", Text),
)

segments = Table(
    "segments",
    metadata,
    _project(primary_key=True),
    _int("first_row", primary_key=True),
    _int("row_count"),
    _bool("embedded"),
    _int("created_at"),
)

uploads = Table(
    "uploads",
    metadata,
    _project(primary_key=True),
    _text("upload", primary_key=True),
    _int("sequence"),
    _int("at"),
)

reference_items = Table(
    "reference_items",
    metadata,
    _project(primary_key=True),
    _int("row", primary_key=True),
    _text("item_id"),
    _text("split"),
    _text("label"),
    _int("text_hash"),
)

deleted_rows = Table(
    "deleted_rows",
    metadata,
    _project(primary_key=True),
    _int("row", primary_key=True),
    _int("at"),
    _int("deletion", server_default="0"),
    Index(None, "project", "deletion"),
)

replay_labels = Table(
    "replay_labels",
    metadata,
    _project(primary_key=True),
    _text("label_set", primary_key=True),
    _text("item_id", primary_key=True),
    _text("label"),
    sqlite_with_rowid=False,
)

batches = Table(
    "batches",
    metadata,
    _seq(),
    _text("id", unique=True),
    _project(),
    _text("run"),
    _int("round"),
    _text("strategy"),
    _int("model_version"),
    _int("pool_rows"),
    _int("seed"),
    _int("created_at"),
    Column("fallback", Text, nullable=False, server_default=""),
    Index(None, "project", "seq"),
)

# A pick repeats its batch's project and run so that open picks are found, in order, by one index.
picks = Table(
    "picks",
    metadata,
    _seq(),
    _project(),
    _text("run"),
    Column("batch", Text, ForeignKey("batches.id", ondelete="CASCADE"), nullable=False),
    _int("position"),
    _int("row"),
    _text("item_id"),
    Column("score", Double),
    Column("inclusion_probability", Double),
    _text("reason"),
    _bool("audit"),
    _int("slots_taken"),
    Index(None, "project", "slots_taken", "seq"),
    Index(None, "project", "row"),
    Index(None, "batch", "row", unique=True),
)

leases = Table(
    "leases",
    metadata,
    _seq(),
    _text("id", unique=True),
    _project(),
    _text("annotator"),
    _text("state"),
    _text("reservation"),
    _int("expires_at"),
    _int("created_at"),
    Index(
        "ix_leases_active",
        "expires_at",
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    ),
    Index(None, "project"),
)

lease_items = Table(
    "lease_items",
    metadata,
    Column("lease", Text, ForeignKey("leases.id", ondelete="CASCADE"), primary_key=True),
    _int("position", primary_key=True),
    _project(),
    _text("batch"),
    _int("row"),
    _text("item_id"),
    _bool("answered"),
    Index(None, "project", "row"),
    sqlite_with_rowid=False,
)

annotations = Table(
    "annotations",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _project(),
    _int("row"),
    _text("item_id"),
    _text("annotator"),
    _text("kind"),
    _bool("trusted"),
    _text("outcome"),
    Column("label", Text),
    _text("answer"),
    _text("run"),
    _int("round"),
    _text("batch"),
    _int("created_at"),
    _int("corrects", server_default="0"),
    Index(None, "project", "row", "annotator", "batch", "corrects", unique=True),
    Index(None, "project", "id"),
    Index(
        "ix_annotations_labelled",
        "project",
        "run",
        sqlite_where=sa.text("label IS NOT NULL"),
        postgresql_where=sa.text("label IS NOT NULL"),
    ),
)

models = Table(
    "models",
    metadata,
    _project(primary_key=True),
    _int("version", primary_key=True),
    _text("run"),
    _int("round"),
    _text("learner"),
    _text("description"),
    _int("labels"),
    *_cost("spent"),
    _float("train_seconds"),
    _float("seconds"),
    Column("accuracy", Double),
    Column("macro_f1", Double),
    _text("evaluation"),
    _int("created_at"),
)

runs = Table(
    "runs",
    metadata,
    _seq(),
    _text("id", unique=True),
    _project(),
    _text("spec"),
    _text("state"),
    _text("stop_reason"),
    _text("message"),
    _int("round"),
    _int("created_at"),
    Column("ended_at", BigInteger),
    _int("last_event", server_default="0"),
    Index(None, "project", "seq"),
)

run_events = Table(
    "run_events",
    metadata,
    Column("run", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    _int("number", primary_key=True),
    _text("kind"),
    _text("payload"),
    _int("at"),
)

budgets = Table(
    "budgets",
    metadata,
    _project(primary_key=True),
    _text("run", primary_key=True),
    _text("window", primary_key=True, quote=True),
    *_cost("limit", nullable=True),
    *_cost("spent"),
    *_cost("reserved"),
    _text("day"),
    _int("updated_at"),
)

reservations = Table(
    "reservations",
    metadata,
    _seq(),
    _text("id", unique=True),
    _text("key"),
    _project(),
    _text("run"),
    _text("line"),
    *_cost("remaining"),
    _bool("open"),
    _text("day"),
    _int("created_at"),
    *_cost("presumed", server_default="0"),
    Index("uq_reservations_open", "project", "key", unique=True, **_where("open AND key <> ''")),
    Index("ix_reservations_unsettled", "project", "seq", **_where(UNSETTLED)),
    Index("ix_reservations_presumed", "project", **_where(PRESUMED)),
    Index(None, "project"),
)

# The ledger outlives its project.
ledger = Table(
    "ledger",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _text("project"),
    _text("run"),
    _text("reservation"),
    _text("line"),
    _text("kind"),
    *_cost("amount"),
    _int("at"),
    Index(None, "project", "id"),
)

answers = Table(
    "answers",
    metadata,
    _seq(),
    _project(),
    _text("keys"),
    Column("raw", LargeBinary, nullable=False),
    _text("usage"),
    *_cost("cost"),
    _text("request_id"),
    _float("latency_ms"),
    _int("at"),
    Index(None, "project"),
)

answer_keys = Table(
    "answer_keys",
    metadata,
    _project(primary_key=True),
    _text("key", primary_key=True),
    Column("answer", BigInteger, ForeignKey("answers.seq", ondelete="CASCADE"), nullable=False, index=True),
    sqlite_with_rowid=False,
)

batch_intents = Table(
    "batch_intents",
    metadata,
    _seq(),
    _project(),
    _text("intent_id"),
    _text("intent"),
    Index(None, "project", "intent_id", unique=True),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    _seq(),
    _text("id", unique=True),
    _text("token_hash", unique=True),
    _text("name"),
    _text("role"),
    _text("project"),
    _int("created_at"),
    _text("annotators", server_default="[]"),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)

replies = Table(
    "replies",
    metadata,
    _text("request_id", primary_key=True),
    _text("principal", primary_key=True),
    _text("method"),
    _text("fingerprint"),
    Column("reply", LargeBinary, nullable=False),
    _int("created_at", index=True),
)
