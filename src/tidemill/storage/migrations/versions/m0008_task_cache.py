"""Outputs of tasks are kept for others of the same name and key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "task_cache",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("output", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", "key"),
    )
    op.create_index("ix_task_cache_until", "task_cache", ["until_ms"])
