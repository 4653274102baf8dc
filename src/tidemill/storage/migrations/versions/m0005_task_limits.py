"""Tasks are found in their order without a sort, limits hold over all processes, and who polls is known to all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("task_queue", sa.Column("is_held", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.drop_index("ix_task_queue_order", "task_queue")
    op.create_index(
        "ix_task_queue_order", "task_queue", ["name", "domain", sa.text("priority DESC"), "due_ms", "task_id"]
    )
    op.create_index(
        "ix_task_queue_held",
        "task_queue",
        ["name", "due_ms"],
        sqlite_where=sa.text("is_held = 1"),
        postgresql_where=sa.text("is_held = 1"),
    )
    op.create_table(
        "task_rates",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("handed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "task_polls",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("polled_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", "domain", "worker"),
    )
