"""Projects have filters of labels, and items that are kept in spite of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Apply this version."""
    op.create_table(
        "label_filters",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="fk_label_filters_project", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project", "name", name="pk_label_filters"),
    )
    op.create_table(
        "kept_items",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("row", sa.BigInteger(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("kept_by", sa.Text(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="fk_kept_items_project", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project", "row", name="pk_kept_items"),
    )


def downgrade() -> None:
    """Undo this version."""
    op.drop_table("kept_items")
    op.drop_table("label_filters")
