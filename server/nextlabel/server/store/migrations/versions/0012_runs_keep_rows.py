"""Runs keep sets of rows: what they are confined to, and which way each item goes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Apply this version."""
    op.create_table(
        "run_rows",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_run_rows_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "name", name="pk_run_rows"),
    )


def downgrade() -> None:
    """Undo this version."""
    op.drop_table("run_rows")
