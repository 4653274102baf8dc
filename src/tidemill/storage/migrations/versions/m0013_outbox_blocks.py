"""Publications that are written together share a row of the outbox."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

CHUNK = 1_000

# As they are in this revision: `storage.outbox` may differ one day.
_LIST_OF_ONE = b"\x91"
_FIRST_OF_ONE = 1 << 12


def upgrade() -> None:
    blocks = op.create_table(
        "outbox_blocks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False, autoincrement=True),
        sa.Column("integration", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("record_count", sa.BigInteger, nullable=False),
        sa.Column("publications", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_blocks_integration", "outbox_blocks", ["integration", "id"])
    _renumber(_move(blocks))
    op.drop_table("outbox")


def _move(blocks: sa.Table) -> dict[int, int]:
    """Each publication as a block of its own, in the same order. Returns the new ids by the old ones."""
    connection = op.get_bind()
    outbox = sa.table("outbox", *(sa.column(name) for name in ("id", "integration", "created_ms", "publication")))
    ids: dict[int, int] = {}
    last = 0
    while True:
        rows = connection.execute(sa.select(outbox).where(outbox.c.id > last).order_by(outbox.c.id).limit(CHUNK)).all()
        if not rows:
            return ids
        for row in rows:
            insert = sa.insert(blocks).values(
                integration=row.integration,
                created_ms=row.created_ms,
                record_count=1,
                publications=_LIST_OF_ONE + row.publication,
            )
            block = connection.execute(insert.returning(blocks.c.id)).scalar_one()
            ids[row.id] = block << 24 | _FIRST_OF_ONE
        last = rows[-1].id


def _renumber(ids: dict[int, int]) -> None:
    """The batches that are under way."""
    connection = op.get_bind()
    batches = sa.table("outbox_batches", *(sa.column(name) for name in ("integration", "number", "row_ids")))
    for row in connection.execute(sa.select(batches)).all():
        row_ids = msgspec.msgpack.encode([ids[each] for each in msgspec.msgpack.decode(row.row_ids)])
        is_this = (batches.c.integration == row.integration) & (batches.c.number == row.number)
        connection.execute(sa.update(batches).where(is_this).values(row_ids=row_ids))
