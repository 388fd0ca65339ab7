"""Batches that say why items were picked in another way than their strategy's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply this version."""
    op.add_column("batches", sa.Column("fallback", sa.Text(), nullable=False, server_default=""))
    op.execute(
        "UPDATE batches SET fallback = COALESCE((SELECT MIN(p.reason) FROM picks p WHERE p.batch = batches.id "
        "AND (p.reason LIKE 'random: % needs %' OR p.reason LIKE 'fallback: %')), '')"
    )


def downgrade() -> None:
    """Undo this version."""
    op.drop_column("batches", "fallback")
