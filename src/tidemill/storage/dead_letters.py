"""`ingest.ports.DeadLetters`: records that could not be processed, kept whole with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Row, and_, bindparam, or_, select, update

from tidemill.core.codec import pack, unpack
from tidemill.core.errors import Conflict, NotFound
from tidemill.core.transaction import Transaction
from tidemill.ingest.ports import DeadLetter
from tidemill.ingest.record import Record
from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.session import session_of
from tidemill.storage.tables import dead_letters
from tidemill.storage.text import storable

_COLUMNS = ("id", "consumer_group", "route", "integration", "state", "reason", "at_ms", "record", "detail")
_INSERT = bulk.insert(dead_letters, _COLUMNS)
_SELECT = select(dead_letters)
_GET = _SELECT.where(dead_letters.c.id == bindparam("id"))
_NEWEST_FIRST = (dead_letters.c.at_ms.desc(), dead_letters.c.id.desc())

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


class StoredDeadLetters:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tx: Transaction, letters: Sequence[DeadLetter]) -> None:
        _INSERT.write(session_of(tx), sorted(map(_row, letters)))

    async def get(self, letter_id: str) -> DeadLetter:
        async with self._database.read() as session:
            row = (await session.execute(_GET, {"id": letter_id})).first()
        if row is None:
            raise NotFound(f"dead letter {letter_id!r} does not exist")
        return _letter(row)

    async def find(
        self,
        *,
        integration: str | None,
        route: str | None,
        state: str | None,
        limit: int,
        before_id: str | None,
    ) -> Sequence[DeadLetter]:
        wanted = {"integration": integration, "route": route, "state": state}
        conditions = [dead_letters.c[name] == value for name, value in wanted.items() if value is not None]
        if before_id is not None:
            at_ms = (await self.get(before_id)).at_ms
            is_same_time = and_(dead_letters.c.at_ms == at_ms, dead_letters.c.id < before_id)
            conditions.append(or_(dead_letters.c.at_ms < at_ms, is_same_time))
        statement = _SELECT.where(*conditions).order_by(*_NEWEST_FIRST).limit(limit)
        async with self._database.read() as session:
            return [_letter(row) for row in await session.execute(statement)]

    async def settle(self, tx: Transaction, letter_id: str, state: Literal["replayed", "discarded"]) -> None:
        is_open = and_(dead_letters.c.id == letter_id, dead_letters.c.state == "open")
        result = await session_of(tx).execute(update(dead_letters).where(is_open).values(state=state))
        if result.rowcount != 1:
            raise Conflict(f"dead letter {letter_id!r} is not open")


def _row(letter: DeadLetter) -> bulk.Row:
    where = (letter.id, letter.group, letter.route, letter.record.integration)
    return (*where, letter.state, storable(letter.reason), letter.at_ms, _encode(letter.record), pack(letter.detail))


def _letter(row: Row[Any]) -> DeadLetter:
    record, detail = _decode(row.record), unpack(row.detail)
    return DeadLetter(row.id, row.consumer_group, row.route, record, row.reason, detail, row.at_ms, row.state)
