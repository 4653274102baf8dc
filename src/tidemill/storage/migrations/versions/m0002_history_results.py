"""The history says how many results a row has, so that they can be counted without reading it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("history", sa.Column("result_count", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.drop_index("ix_history_route", "history")
    op.create_index("ix_history_route", "history", ["route", "created_ms", "record_count", "result_count"])
