"""Executions that wait for their turn, or have it, where their workflows limit how many run at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "turns",
        sa.Column("execution_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
        sa.Column("most", sa.BigInteger, nullable=False),
        sa.Column("is_taken", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_turns_key", "turns", ["is_taken", "key", "since_ms", "execution_id"])
