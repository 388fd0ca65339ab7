"""LLMs judge labels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Apply this version."""
    op.create_table(
        "label_verdicts",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("row", sa.BigInteger(), nullable=False),
        sa.Column("judge", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("ruling", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("judged_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="fk_label_verdicts_project", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project", "row", "judge", "about", name="pk_label_verdicts"),
    )


def downgrade() -> None:
    """Undo this version."""
    op.drop_table("label_verdicts")
