"""What a version of the guidelines was made from, and what it does on gold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply this version."""
    op.add_column("guidelines", sa.Column("base_version", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("guidelines", sa.Column("effect", sa.Text(), nullable=True))


def downgrade() -> None:
    """Undo this version."""
    op.drop_column("guidelines", "effect")
    op.drop_column("guidelines", "base_version")
