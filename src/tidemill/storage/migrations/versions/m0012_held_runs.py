"""Runs of rule chains wait for a time, or for the broker."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "held_runs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("chain", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("slot", sa.Text, unique=True),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_held_runs_due", "held_runs", ["due_ms", "id"])
    op.create_index("ix_held_runs_node", "held_runs", ["chain", "node"])
    op.create_table(
        "run_wakes",
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("publication", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("wake", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run", "publication"),
    )
    op.create_index("ix_run_wakes_at", "run_wakes", ["at_ms"])
