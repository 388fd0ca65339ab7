"""Annotators advise on items beside labeling them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply this version."""
    op.create_table(
        "advice",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("row", sa.BigInteger(), nullable=False),
        sa.Column("annotator", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="fk_advice_project", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project", "row", "annotator", name="pk_advice"),
    )
    op.create_index("ix_advice_project_annotator_row", "advice", ["project", "annotator", "row"])


def downgrade() -> None:
    """Undo this version."""
    op.drop_table("advice")
