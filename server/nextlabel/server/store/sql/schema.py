"""The tables. Columns are named as the fields of the values that they hold.

Times are microseconds since 1970 in UTC; unsigned 64-bit integers are stored with their bits as signed ones;
structured settings are canonical JSON. ``seq`` gives the order of insertion. The migrations create the same tables.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, LargeBinary, Table, Text

from nextlabel.server.store.sql import column
from nextlabel.server.store.sql.call_tables import access_tokens as access_tokens
from nextlabel.server.store.sql.call_tables import replies as replies
from nextlabel.server.store.sql.filter_tables import kept_items as kept_items
from nextlabel.server.store.sql.filter_tables import label_filters as label_filters
from nextlabel.server.store.sql.filter_tables import label_verdicts as label_verdicts
from nextlabel.server.store.sql.table_names import metadata as metadata

UNDROPPED = "NOT dropped"
UNSETTLED = "open"
PRESUMED = "(presumed_tokens > 0 OR presumed_micro_usd > 0)"
"""Conditions of indexes on the few deleted projects and reservations that something is still to be done about."""


def _where(condition: str) -> dict[str, Any]:
    """Return the options of an index over some rows only; a query that gives the same condition finds them by it."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


projects = Table(
    "projects",
    metadata,
    column.text("id", primary_key=True),
    column.text("name", unique=True),
    column.text("annotation_type"),
    column.text("classes"),
    column.integer("guidelines_version"),
    column.text("embedding_model"),
    column.integer("embedding_dimension"),
    column.text("learner"),
    column.text("strategy"),
    column.integer("overlap"),
    column.real("lease_ttl_s"),
    column.real("audit_share"),
    column.boolean("show_suggestions"),
    column.integer("created_at"),
    column.integer("updated_at"),
    column.text("score_range", server_default="{}"),
    column.real("gold_share", server_default="0"),
    column.text("consensus", server_default="majority"),
    column.integer("embedding_version", server_default="0"),
    column.text("embedding_fingerprint", server_default=""),
)

deleted_projects = Table(
    "deleted_projects",
    metadata,
    column.seq(),
    column.text("id", unique=True),
    column.text("name", index=True),
    column.integer("deleted_at"),
    column.boolean("dropped"),
    Index("ix_deleted_projects_undropped", "seq", **_where(UNDROPPED)),
)

re_embeddings = Table(
    "re_embeddings",
    metadata,
    column.project(primary_key=True),
    column.integer("version"),
    column.text("model"),
    column.integer("dimension"),
    column.integer("next_row"),
    column.text("state"),
    column.integer("changed_at"),
    column.text("embedding_fingerprint", server_default=""),
)

guidelines = Table(
    "guidelines",
    metadata,
    column.project(primary_key=True),
    column.integer("version", primary_key=True),
    column.text("text"),
    column.text("status"),
    column.text("author"),
    column.text("comment"),
    column.integer("created_at"),
    column.integer("base_version", server_default="0"),
    Column("effect", Text),
)

segments = Table(
    "segments",
    metadata,
    column.project(primary_key=True),
    column.integer("first_row", primary_key=True),
    column.integer("row_count"),
    column.boolean("embedded"),
    column.integer("created_at"),
)

uploads = Table(
    "uploads",
    metadata,
    column.project(primary_key=True),
    column.text("upload", primary_key=True),
    column.integer("sequence"),
    column.integer("at"),
)

reference_items = Table(
    "reference_items",
    metadata,
    column.project(primary_key=True),
    column.integer("row", primary_key=True),
    column.text("item_id"),
    column.text("split"),
    column.text("label"),
    column.integer("text_hash"),
)

deleted_rows = Table(
    "deleted_rows",
    metadata,
    column.project(primary_key=True),
    column.integer("row", primary_key=True),
    column.integer("at"),
    column.integer("deletion", server_default="0"),
    Index(None, "project", "deletion"),
)

replay_labels = Table(
    "replay_labels",
    metadata,
    column.project(primary_key=True),
    column.text("label_set", primary_key=True),
    column.text("item_id", primary_key=True),
    column.text("label"),
    sqlite_with_rowid=False,
)

batches = Table(
    "batches",
    metadata,
    column.seq(),
    column.text("id", unique=True),
    column.project(),
    column.text("run"),
    column.integer("round"),
    column.text("strategy"),
    column.integer("model_version"),
    column.integer("pool_rows"),
    column.integer("seed"),
    column.integer("created_at"),
    column.text("fallback", server_default=""),
    Index(None, "project", "seq"),
)

# A pick repeats its batch's project and run so that open picks are found, in order, by one index.
picks = Table(
    "picks",
    metadata,
    column.seq(),
    column.project(),
    column.text("run"),
    Column("batch", Text, ForeignKey("batches.id", ondelete="CASCADE"), nullable=False),
    column.integer("position"),
    column.integer("row"),
    column.text("item_id"),
    Column("score", Double),
    Column("inclusion_probability", Double),
    column.text("reason"),
    column.boolean("audit"),
    column.integer("slots_taken"),
    Index(None, "project", "slots_taken", "seq"),
    Index(None, "project", "row"),
    Index(None, "batch", "row", unique=True),
)

leases = Table(
    "leases",
    metadata,
    column.seq(),
    column.text("id", unique=True),
    column.project(),
    column.text("annotator"),
    column.text("state"),
    column.text("reservation"),
    column.integer("expires_at"),
    column.integer("created_at"),
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
    column.integer("position", primary_key=True),
    column.project(),
    column.text("batch"),
    column.integer("row"),
    column.text("item_id"),
    column.boolean("answered"),
    Index(None, "project", "row"),
    sqlite_with_rowid=False,
)

annotations = Table(
    "annotations",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    column.project(),
    column.integer("row"),
    column.text("item_id"),
    column.text("annotator"),
    column.text("kind"),
    column.boolean("trusted"),
    column.text("outcome"),
    Column("label", Text),
    column.text("answer"),
    column.text("run"),
    column.integer("round"),
    column.text("batch"),
    column.integer("created_at"),
    column.integer("corrects", server_default="0"),
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

advice = Table(
    "advice",
    metadata,
    column.project(primary_key=True),
    column.integer("row", primary_key=True),
    column.text("annotator", primary_key=True),
    column.text("item_id"),
    column.text("answer"),
    column.text("run"),
    column.integer("created_at"),
    Index(None, "project", "annotator", "row"),
)

models = Table(
    "models",
    metadata,
    column.project(primary_key=True),
    column.integer("version", primary_key=True),
    column.text("run"),
    column.integer("round"),
    column.text("learner"),
    column.text("description"),
    column.integer("labels"),
    *column.cost("spent"),
    column.real("train_seconds"),
    column.real("seconds"),
    Column("accuracy", Double),
    Column("macro_f1", Double),
    column.text("evaluation"),
    column.integer("created_at"),
    column.integer("embedding_version", server_default="0"),
)

runs = Table(
    "runs",
    metadata,
    column.seq(),
    column.text("id", unique=True),
    column.project(),
    column.text("spec"),
    column.text("state"),
    column.text("stop_reason"),
    column.text("message"),
    column.integer("round"),
    column.integer("created_at"),
    Column("ended_at", BigInteger),
    column.integer("last_event", server_default="0"),
    Index(None, "project", "seq"),
)

run_events = Table(
    "run_events",
    metadata,
    Column("run", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    column.integer("number", primary_key=True),
    column.text("kind"),
    column.text("payload"),
    column.integer("at"),
)

run_rows = Table(
    "run_rows",
    metadata,
    Column("run", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    column.text("name", primary_key=True),
    Column("rows", LargeBinary, nullable=False),
)

budgets = Table(
    "budgets",
    metadata,
    column.project(primary_key=True),
    column.text("run", primary_key=True),
    column.text("window", primary_key=True, quote=True),
    *column.cost("limit", nullable=True),
    *column.cost("spent"),
    *column.cost("reserved"),
    column.text("day"),
    column.integer("updated_at"),
)

reservations = Table(
    "reservations",
    metadata,
    column.seq(),
    column.text("id", unique=True),
    column.text("key"),
    column.project(),
    column.text("run"),
    column.text("line"),
    *column.cost("remaining"),
    column.boolean("open"),
    column.text("day"),
    column.integer("created_at"),
    *column.cost("presumed", server_default="0"),
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
    column.text("project"),
    column.text("run"),
    column.text("reservation"),
    column.text("line"),
    column.text("kind"),
    *column.cost("amount"),
    column.integer("at"),
    Index(None, "project", "id"),
)

answers = Table(
    "answers",
    metadata,
    column.seq(),
    column.project(),
    column.text("keys"),
    Column("raw", LargeBinary, nullable=False),
    column.text("usage"),
    *column.cost("cost"),
    column.text("request_id"),
    column.real("latency_ms"),
    column.integer("at"),
    Index(None, "project"),
)

answer_keys = Table(
    "answer_keys",
    metadata,
    column.project(primary_key=True),
    column.text("key", primary_key=True),
    Column("answer", BigInteger, ForeignKey("answers.seq", ondelete="CASCADE"), nullable=False, index=True),
    sqlite_with_rowid=False,
)

batch_intents = Table(
    "batch_intents",
    metadata,
    column.seq(),
    column.project(),
    column.text("intent_id"),
    column.text("intent"),
    Index(None, "project", "intent_id", unique=True),
)
