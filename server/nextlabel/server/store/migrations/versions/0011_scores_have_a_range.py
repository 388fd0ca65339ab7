"""Projects whose answers are scores say which are allowed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Apply this version."""
    op.add_column("projects", sa.Column("score_range", sa.Text(), nullable=False, server_default="{}"))


def downgrade() -> None:
    """Undo this version."""
    op.drop_column("projects", "score_range")
