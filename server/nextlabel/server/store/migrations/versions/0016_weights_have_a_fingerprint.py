"""Projects know which weights embedded their texts, not only the name of the model."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
_TABLES = ("projects", "re_embeddings")


def upgrade() -> None:
    """Apply this version."""
    for table in _TABLES:
        op.add_column(table, sa.Column("embedding_fingerprint", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Undo this version."""
    for table in _TABLES:
        op.drop_column(table, "embedding_fingerprint")
