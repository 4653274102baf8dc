"""Rule chains keep values between messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rule_cache",
        sa.Column("chain", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("chain", "key"),
    )
    op.create_index("ix_rule_cache_until", "rule_cache", ["until_ms"])
