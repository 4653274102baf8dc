"""`ingest.ports.History`: what routes made of records. One row per route, partition and batch, its entries packed.

A row spans a bounded number of offsets, so that the rows which may hold one record are a short range of an index.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, delete, func, select

from tidemill.core.transaction import Transaction
from tidemill.ingest.ports import Seen, SeenRun, SeenTotals
from tidemill.ingest.record import PartitionKey
from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.session import session_of
from tidemill.storage.tables import history

SPAN_MAX = 5_000
COMPRESSED_FROM_BYTES = 300
_PLAIN, _ZLIB = b"\x00", b"\x01"
"""One entry after the other: rows from before those below."""
_SHARED, _SHARED_ZLIB = b"\x02", b"\x03"
"""Entries that say the same but for their offset are stored once."""

_WHERE = ("route", "integration", "topic", "partition", "topic_id")
_WHAT = ("first_offset", "last_offset", "created_ms", "record_count", "entries", "result_count")
_INSERT = bulk.insert(history, (*_WHERE, *_WHAT))
_OF_RECORD = (
    select(history)
    .where(
        history.c.integration == bindparam("integration"),
        history.c.topic == bindparam("topic"),
        history.c.partition == bindparam("partition"),
        history.c.first_offset.between(bindparam("from_offset"), bindparam("offset")),
        history.c.last_offset >= bindparam("offset"),
    )
    .order_by(history.c.id)
)
_NEWEST_FIRST = (history.c.created_ms.desc(), history.c.id.desc())
# A row has one record at least, so no more rows than records are looked at.
_FIRST = (
    select(history.c.id, history.c.created_ms, history.c.record_count)
    .where(history.c.route == bindparam("route"), history.c.created_ms >= bindparam("from_ms"))
    .order_by(*_NEWEST_FIRST)
    .limit(bindparam("limit"))
    .subquery()
)
_RUNNING = select(
    _FIRST.c.id,
    _FIRST.c.record_count,
    func.sum(_FIRST.c.record_count).over(order_by=(_FIRST.c.created_ms.desc(), _FIRST.c.id.desc())).label("total"),
).subquery()
_OF_ROUTE = (
    select(history)
    .join(_RUNNING, history.c.id == _RUNNING.c.id)
    .where(_RUNNING.c.total - _RUNNING.c.record_count < bindparam("limit"))
    .order_by(*_NEWEST_FIRST)
)
_TOTALS = select(history.c.route, func.sum(history.c.record_count), func.sum(history.c.result_count)).group_by(
    history.c.route
)
_OLD = (
    select(history.c.id)
    .where(history.c.created_ms < bindparam("before_ms"))
    .order_by(history.c.created_ms)
    .limit(bindparam("limit"))
)
_FORGET = delete(history).where(history.c.id.in_(_OLD.scalar_subquery()))

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Seen]).decode


class _Shared(msgspec.Struct, frozen=True, array_like=True):
    """`kinds[i]` is what is said of `offsets[i]`: an index of `said`, whose own offsets mean nothing."""

    offsets: list[int]
    kinds: list[int]
    said: list[Seen]


_decode_shared = msgspec.msgpack.Decoder(_Shared).decode


class StoredHistory:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tx: Transaction, runs: Sequence[SeenRun]) -> None:
        rows = [_row(run, entries) for run in runs for entries in _spans(run.entries)]
        _INSERT.write(session_of(tx), rows)

    async def of_record(self, integration: str, partition: PartitionKey, offset: int) -> Sequence[SeenRun]:
        key = {"integration": integration, "topic": partition.topic, "partition": partition.partition}
        async with self._database.read() as session:
            rows = await session.execute(_OF_RECORD, {**key, "offset": offset, "from_offset": offset - SPAN_MAX})
            runs = [_run(row, only=offset) for row in rows]
        return [run for run in runs if run.entries]

    async def of_route(self, route: str, from_ms: int, limit: int) -> Sequence[SeenRun]:
        async with self._database.read() as session:
            rows = await session.execute(_OF_ROUTE, {"route": route, "from_ms": from_ms, "limit": limit})
            return [_run(row) for row in rows]

    async def totals(self) -> Mapping[str, SeenTotals]:
        async with self._database.read() as session:
            rows = await session.execute(_TOTALS)
            return {route: SeenTotals(int(records), int(results)) for route, records, results in rows}

    async def forget(self, before_ms: int, limit: int) -> int:
        async with self._database.begin() as session:
            return (await session.execute(_FORGET, {"before_ms": before_ms, "limit": limit})).rowcount


def _spans(entries: Sequence[Seen]) -> Iterator[Sequence[Seen]]:
    """The entries, cut where offsets would lie too far apart for one row."""
    if entries and entries[-1].offset - entries[0].offset < SPAN_MAX:
        yield entries
        return
    start = 0
    for index, entry in enumerate(entries):
        if entry.offset - entries[start].offset >= SPAN_MAX:
            yield entries[start:index]
            start = index
    if entries:
        yield entries[start:]


def _row(run: SeenRun, entries: Sequence[Seen]) -> bulk.Row:
    where = (run.route, run.integration, run.partition.topic, run.partition.partition, run.topic_id)
    # Filed under its last entry's time: it is forgotten when the youngest of it is old.
    results = sum(len(entry.results) for entry in entries)
    what = (entries[0].offset, entries[-1].offset, entries[-1].at_ms, len(entries), _packed(entries), results)
    return (*where, *what)


def _run(row: Row[Any], only: int | None = None) -> SeenRun:
    entries = _unpacked(row.entries)
    if only is not None:
        entries = [entry for entry in entries if entry.offset == only]
    return SeenRun(row.route, row.integration, PartitionKey(row.topic, row.partition), row.topic_id, entries)


def _packed(entries: Sequence[Seen]) -> bytes:
    """Values are told apart by identity: routes that say the same of many records give the same value."""
    known: dict[tuple[str, int, int, str | None, int], int] = {}
    said: list[Seen] = []
    kinds: list[int] = []
    last, kind = None, 0
    for entry in entries:
        if last is None or not _is_alike(entry, last):
            key = (entry.outcome, entry.at_ms, id(entry.results), entry.reason, id(entry.detail))
            kind = known.setdefault(key, len(said))
            if kind == len(said):
                said.append(entry)
            last = entry
        kinds.append(kind)
    plain: bytes = _encode(_Shared([entry.offset for entry in entries], kinds, said))
    return _SHARED + plain if len(plain) < COMPRESSED_FROM_BYTES else _SHARED_ZLIB + zlib.compress(plain, 1)


def _is_alike(one: Seen, other: Seen) -> bool:
    return (
        one.detail is other.detail
        and one.results is other.results
        and one.outcome == other.outcome
        and one.reason == other.reason
        and one.at_ms == other.at_ms
    )


def _unpacked(data: bytes) -> list[Seen]:
    mark = data[:1]
    plain = zlib.decompress(data[1:]) if mark in (_ZLIB, _SHARED_ZLIB) else data[1:]
    if mark in (_PLAIN, _ZLIB):
        return _decode(plain)
    shared = _decode_shared(plain)
    return [_entry(offset, shared.said[kind]) for offset, kind in zip(shared.offsets, shared.kinds, strict=True)]


def _entry(offset: int, said: Seen) -> Seen:
    return Seen(offset, said.outcome, said.at_ms, said.results, said.reason, said.detail)
