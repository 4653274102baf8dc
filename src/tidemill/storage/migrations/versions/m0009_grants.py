"""Rights on single things, and roles of the users' own making."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "grants",
        sa.Column("subject_kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("access", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("subject_kind", "subject", "kind", "name", "access"),
    )
    op.create_index("ix_grants_thing", "grants", ["kind", "name"])
    op.create_table(
        "roles",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("permissions", sa.Text, nullable=False),
        sa.Column("actions", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_tags_tag", "tags", ["key", "value"])
    op.add_column("user_groups", sa.Column("default_access", sa.Text, nullable=False, server_default=sa.text("'{}'")))
