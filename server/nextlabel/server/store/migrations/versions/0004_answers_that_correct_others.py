"""Annotations that stand instead of earlier ones; tokens that are good for some annotators only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_KEY = ["project", "row", "annotator", "batch"]


def upgrade() -> None:
    """Apply this version."""
    op.add_column("annotations", sa.Column("corrects", sa.BigInteger(), nullable=False, server_default="0"))
    op.drop_index("ix_annotations_project_row_annotator_batch", "annotations")
    op.create_index(
        "ix_annotations_project_row_annotator_batch_corrects", "annotations", [*_KEY, "corrects"], unique=True
    )
    op.add_column("access_tokens", sa.Column("annotators", sa.Text(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Undo this version."""
    op.drop_column("access_tokens", "annotators")
    op.execute("DELETE FROM annotations WHERE corrects <> 0")
    op.drop_index("ix_annotations_project_row_annotator_batch_corrects", "annotations")
    op.create_index("ix_annotations_project_row_annotator_batch", "annotations", _KEY, unique=True)
    op.drop_column("annotations", "corrects")
