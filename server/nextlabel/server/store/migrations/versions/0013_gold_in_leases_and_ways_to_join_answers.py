"""Projects say how many places on leases are for gold items, and in which way answers are joined."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Apply this version."""
    op.add_column("projects", sa.Column("gold_share", sa.Double(), nullable=False, server_default="0"))
    op.add_column("projects", sa.Column("consensus", sa.Text(), nullable=False, server_default="majority"))


def downgrade() -> None:
    """Undo this version."""
    op.drop_column("projects", "consensus")
    op.drop_column("projects", "gold_share")
