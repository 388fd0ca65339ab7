"""Ledgers stay when their projects are deleted; reservations can be abandoned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_UNDROPPED = sa.text("NOT dropped")
_UNSETTLED = sa.text("open")
_PRESUMED = sa.text("(presumed_tokens > 0 OR presumed_micro_usd > 0)")


def upgrade() -> None:
    """Apply this version."""
    op.create_table(
        "deleted_projects",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.Column("dropped", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_deleted_projects")),
        sa.UniqueConstraint("id", name=op.f("uq_deleted_projects_id")),
    )
    op.create_index(op.f("ix_deleted_projects_name"), "deleted_projects", ["name"])
    op.create_index(
        "ix_deleted_projects_undropped",
        "deleted_projects",
        ["seq"],
        sqlite_where=_UNDROPPED,
        postgresql_where=_UNDROPPED,
    )
    with op.batch_alter_table("ledger") as ledger:
        ledger.drop_constraint("fk_ledger_project", type_="foreignkey")
    for dimension in ("labels", "tokens", "micro_usd"):
        column = sa.Column(f"presumed_{dimension}", sa.BigInteger(), nullable=False, server_default="0")
        op.add_column("reservations", column)
    op.create_index(
        "ix_reservations_unsettled",
        "reservations",
        ["project", "seq"],
        sqlite_where=_UNSETTLED,
        postgresql_where=_UNSETTLED,
    )
    op.create_index(
        "ix_reservations_presumed",
        "reservations",
        ["project"],
        sqlite_where=_PRESUMED,
        postgresql_where=_PRESUMED,
    )
