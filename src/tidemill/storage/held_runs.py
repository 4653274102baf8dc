"""`rules.waiting.held.HeldRuns`, `RunAnswers` and `Pending`: runs of rule chains that wait, what the broker told them,
and what they tell those who ask for their end."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import bindparam, delete, func, select, tuple_

from tidemill.core.transaction import Transaction
from tidemill.graph.node import Wake
from tidemill.rules.waiting.held import DueRun, HeldRun, RunAnswer, RunWake
from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.rule_tables import held_runs, run_wakes
from tidemill.storage.session import Session, session_of

_COLUMNS = ("id", "chain", "node", "slot", "due_ms", "revision", "document")
_ADD = bulk.insert(held_runs, _COLUMNS)
# Who comes into a slot that is taken goes on at the time of who was there; who has read that one is told.
_INTO_SLOT = bulk.Bulk(
    held_runs,
    "INSERT INTO held_runs (id, chain, node, slot, due_ms, revision, document) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
    " ON CONFLICT (slot) DO UPDATE SET revision = held_runs.revision + 1, document = excluded.document",
    "INSERT INTO held_runs (id, chain, node, slot, due_ms, revision, document)"
    " SELECT c1, c2, c3, c4, c5, c6, c7 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[],"
    " $6::bigint[], $7::bytea[]) AS v (c1, c2, c3, c4, c5, c6, c7)"
    " ON CONFLICT (slot) DO UPDATE SET revision = held_runs.revision + 1, document = excluded.document",
)
_WAKE = bulk.upsert(run_wakes, ("run", "publication", "at_ms", "wake"))
_MAKE_DUE = bulk.update(held_runs, ("id",), ("due_ms",), counting="revision")
_CLAIM = bulk.update(held_runs, ("id",), ("due_ms",))
_LOAD = bulk.BulkSelect(held_runs, ("id",), ("id", "revision", "document"))
_WAKES = bulk.BulkSelect(run_wakes, ("run",), ("run", "publication", "wake"))
_DROP = bulk.delete(held_runs, ("id", "revision"))
_DROP_WAKES = bulk.delete(run_wakes, ("run",))
_STORE = bulk.update(held_runs, ("id", "revision"), ("chain", "node", "due_ms", "document"), counting="revision")
_DUE = "SELECT id FROM held_runs WHERE due_ms <= ?1 ORDER BY due_ms, id LIMIT ?2"
_LOOK = bulk.Query(_DUE)
_TAKE = bulk.Query(f"{_DUE} FOR UPDATE SKIP LOCKED")
_COUNT = bulk.Query(
    "SELECT count(*) FROM (SELECT 1 FROM held_runs WHERE chain = ?1 AND node = ?2 LIMIT ?3) AS first_ones"
)
_NEXT = select(func.min(held_runs.c.due_ms))
_STRAY = (
    select(run_wakes.c.run, run_wakes.c.publication)
    .where(run_wakes.c.at_ms < bindparam("before_ms"), run_wakes.c.run.not_in(select(held_runs.c.id)))
    .order_by(run_wakes.c.at_ms)
    .limit(bindparam("limit"))
)
_FORGET = delete(run_wakes).where(tuple_(run_wakes.c.run, run_wakes.c.publication).in_(_STRAY))

_ANSWER = ""
"""In place of a publication: what a run that is gone tells who asks for its end."""

_CHANGED = "a held run has changed"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(HeldRun).decode
_decode_answer = msgspec.msgpack.Decoder(RunAnswer).decode
_decode_wake = msgspec.msgpack.Decoder(Wake).decode


class StoredHeldRuns:
    """Also implements `ingest.retention.Past`: of what the broker told, and of what
    runs answered, what nobody asks for any more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tx: Transaction, runs: Sequence[HeldRun]) -> None:
        session = session_of(tx)
        _ADD.write(session, [_row(run) for run in runs if run.slot is None])
        slots = {run.slot: run for run in runs if run.slot is not None}  # of several the last
        _INTO_SLOT.write(session, [_row(slots[slot]) for slot in sorted(slots)])

    async def wake(self, tx: Transaction, wakes: Sequence[RunWake], now_ms: int) -> None:
        session = session_of(tx)
        found = {(each.run, each.publication): _encode(each.wake) for each in wakes}
        _WAKE.write(session, [(*key, now_ms, wake) for key, wake in sorted(found.items())])
        _MAKE_DUE.write(session, [(id_, 0) for id_ in sorted({run for run, _ in found})])

    async def claim(self, now_ms: int, limit: int, hold_ms: int) -> Sequence[str]:
        """On SQLite, where there is one process, nothing is written."""
        async with self._database.read() as session:
            due = await _LOOK.run(session, now_ms, limit)
        if not due or self._database.is_sqlite:
            return [row[0] for row in due]
        async with self._database.begin() as session:
            taken = [row[0] for row in await _TAKE.run(session, now_ms, limit)]
            await _CLAIM.run(session, [(id_, now_ms + hold_ms) for id_ in sorted(taken)])
        return taken

    async def load(self, ids: Sequence[str]) -> Sequence[DueRun]:
        keys = [(id_,) for id_ in ids]
        wakes: dict[str, dict[str, Wake]] = {}
        async with self._database.read() as session:
            # Runs first: a wake that comes between the two changes its run, and is seen or makes the write stale.
            rows = await _LOAD.run(session, keys)
            for run, publication, wake in await _WAKES.run(session, keys):
                wakes.setdefault(run, {})[publication] = _decode_wake(wake)
        return [DueRun(_run(id_, revision, document), wakes.get(id_, {})) for id_, revision, document in rows]

    async def settle(self, tx: Transaction, gone: Sequence[HeldRun], again: Sequence[HeldRun]) -> None:
        session = session_of(tx)
        _DROP.write(session, sorted((run.id, run.revision) for run in gone), all_or=_CHANGED)
        _store(session, again)
        _DROP_WAKES.write(session, sorted((run.id,) for run in (*gone, *again)))

    async def postpone(self, tx: Transaction, runs: Sequence[HeldRun]) -> None:
        _store(session_of(tx), runs)

    async def answer(self, tx: Transaction, answers: Sequence[RunAnswer], now_ms: int) -> None:
        rows = [(each.run, _ANSWER, now_ms, _encode(each)) for each in answers]
        _WAKE.write(session_of(tx), sorted(rows))

    async def answers(self, runs: Sequence[str]) -> Sequence[RunAnswer]:
        async with self._database.read() as session:
            rows = await _WAKES.run(session, [(run,) for run in runs])
        return [_decode_answer(document) for _, publication, document in rows if publication == _ANSWER]

    async def next_due_ms(self) -> int | None:
        async with self._database.read() as session:
            due_ms: int | None = (await session.execute(_NEXT)).scalar()
            return due_ms

    async def count(self, chain: str, node: str, at_most: int) -> int:
        async with self._database.read() as session:
            count: int = (await _COUNT.run(session, chain, node, at_most))[0][0]
            return count

    async def forget(self, before_ms: int, limit: int) -> int:
        async with self._database.begin() as session:
            return (await session.execute(_FORGET, {"before_ms": before_ms, "limit": limit})).rowcount


def _store(session: Session, runs: Sequence[HeldRun]) -> None:
    rows = [(run.id, run.revision, *run.place, run.due_ms, _encode(run)) for run in runs]
    _STORE.write(session, sorted(rows), all_or=_CHANGED)


def _row(run: HeldRun) -> bulk.Row:
    return run.id, *run.place, run.slot, run.due_ms, run.revision, _encode(run)


def _run(id_: str, revision: int, document: bytes) -> HeldRun:
    """The row knows best: another may have come into its slot, and every wake counts."""
    return msgspec.structs.replace(_decode(document), id=id_, revision=revision)
