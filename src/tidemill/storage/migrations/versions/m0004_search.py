"""Executions of a name and a status are found in order of time, and finished ones in order of their end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ENDED = sa.text("ended_ms > 0")


def upgrade() -> None:
    op.drop_index("ix_executions_name", "executions")
    op.create_index("ix_executions_name", "executions", ["name", "status", "created_ms"])
    op.create_index("ix_executions_ended", "executions", ["ended_ms"], sqlite_where=_ENDED, postgresql_where=_ENDED)
