"""Ended executions are found in order of their end by name and status, too; they changed last when they ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_ENDED = sa.text("ended_ms > 0")


def upgrade() -> None:
    for name in ("ix_executions_name", "ix_executions_status", "ix_executions_ended"):
        op.drop_index(name, "executions")
    op.create_index("ix_executions_name", "executions", ["name", "status", "created_ms", "ended_ms"])
    op.create_index("ix_executions_status", "executions", ["status", "created_ms", "ended_ms"])
    for name, columns in (
        ("ix_executions_ended", ["status", "ended_ms"]),
        ("ix_executions_name_ended", ["name", "status", "ended_ms"]),
    ):
        op.create_index(name, "executions", columns, sqlite_where=_ENDED, postgresql_where=_ENDED)
    op.execute("UPDATE executions SET updated_ms = ended_ms WHERE ended_ms > 0 AND updated_ms <> ended_ms")
