"""Deletions of items are numbered within their project, so that other servers can follow them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply this version."""
    op.add_column("deleted_rows", sa.Column("deletion", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index("ix_deleted_rows_project_deletion", "deleted_rows", ["project", "deletion"])


def downgrade() -> None:
    """Undo this version."""
    op.drop_index("ix_deleted_rows_project_deletion", "deleted_rows")
    op.drop_column("deleted_rows", "deletion")
