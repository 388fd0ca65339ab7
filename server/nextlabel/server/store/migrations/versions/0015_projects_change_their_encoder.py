"""Another model can take over from the one that a project's embeddings began with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Apply this version."""
    op.add_column("projects", sa.Column("embedding_version", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("models", sa.Column("embedding_version", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "re_embeddings",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("dimension", sa.BigInteger(), nullable=False),
        sa.Column("next_row", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="fk_re_embeddings_project", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project", name="pk_re_embeddings"),
    )


def downgrade() -> None:
    """Undo this version."""
    op.drop_table("re_embeddings")
    op.drop_column("models", "embedding_version")
    op.drop_column("projects", "embedding_version")
