"""What every store of held runs promises: in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import msgspec
import pytest

from tests.fakes.held_runs import MemoryHeldRuns
from tests.fakes.rules import OpenTransactions
from tidemill.core.errors import StaleWrite
from tidemill.core.transaction import Transaction
from tidemill.graph.message import Message
from tidemill.graph.node import Arrived, End, Held, Hold, Kept, Nested, Result, Waiting, Wake
from tidemill.ingest.record import Record
from tidemill.rules.waiting.held import HeldRun, Origin, Pending, RunAnswer, RunWake
from tidemill.storage.database import Database
from tidemill.storage.held_runs import StoredHeldRuns

Begin = Callable[[], AbstractAsyncContextManager[Transaction]]
Store = tuple[StoredHeldRuns | MemoryHeldRuns, Begin]

RECORD = Record("shop", "in", "t", 1, 17, 5, b"k", None, (("h", b"\x00\xff"),))
MESSAGE = Message("m", 5, "T", b"\x00\xff", {"key": "v"}, "BINARY", "o")


@pytest.fixture(params=["memory", "stored"])
def store(request: pytest.FixtureRequest, database: Database) -> Store:
    if request.param == "memory":
        return MemoryHeldRuns(), OpenTransactions().begin
    return StoredHeldRuns(database), database.begin


def run(id_: str, due_ms: int = 100, *, slot: str | None = None, node: str = "n", data: bytes = b"1") -> HeldRun:
    message = msgspec.structs.replace(MESSAGE, data=data)
    held = [Held(node, message, Hold(due_ms, "p", slot)), Held("far", message, Hold(due_ms + 1))]
    waiting = Waiting(held, [Arrived("j", message, "n", "True", "e", 900)], Kept({"a": message}, 3, 4, True, ["k"]))
    return HeldRun(id_, "c", waiting, Origin(MESSAGE, "r", "retry", RECORD, "g", "cause", 2, "trace"), slot)


async def add(store: Store, *given: HeldRun) -> None:
    runs, begin = store
    async with begin() as tx:
        await runs.add(tx, given)


async def test_what_is_held_comes_back_as_it_was(store: Store) -> None:
    runs, _ = store
    await add(store, run("a"))
    (due,) = await runs.load(["a", "b"])
    assert due.run == run("a")
    assert due.wakes == {}


async def test_a_run_inside_comes_back_and_counts_at_its_own_place(store: Store) -> None:
    runs, _ = store
    inner = run("inner", 70, node="far away").waiting
    kept = msgspec.structs.replace(inner.kept, graph="sub", is_followed=False)
    end = End("e", "True", MESSAGE, 0, "error", is_last=True)
    result = Result([end], [], list(inner.held), list(inner.arrived), kept, [])
    nested = [Nested("flow", MESSAGE, [result], b"\x00state", 60, is_awaited=False)]
    outer = msgspec.structs.replace(run("a"), waiting=Waiting([], [], Kept(), nested))
    await add(store, outer)
    (due,) = await runs.load(["a"])
    assert due.run == outer
    assert await runs.next_due_ms() == 60
    counter: Pending = runs
    assert await counter.count("sub", "far away", 10) == 1
    assert await counter.count("c", "flow", 10) == 0


async def test_the_longest_due_first_and_no_more_than_are_asked_for(store: Store) -> None:
    runs, _ = store
    assert await runs.next_due_ms() is None
    await add(store, run("a", 300), run("b", 100), run("c", 200), run("d", 900))
    assert await runs.next_due_ms() == 100
    assert await runs.claim(99, 9, 1_000) == []
    assert await runs.claim(300, 2, 0) == ["b", "c"]


async def test_a_database_that_is_shared_gives_each_run_to_one(database: Database) -> None:
    runs = StoredHeldRuns(database)
    await add((runs, database.begin), run("a"), run("b"))
    if database.is_sqlite:  # one process: it asks again only when it is done
        assert await runs.claim(100, 1, 1_000) == await runs.claim(100, 1, 1_000) == ["a"]
        return
    assert await runs.claim(100, 1, 1_000) == ["a"]
    assert await runs.claim(100, 9, 1_000) == ["b"]
    assert await runs.claim(1_099, 9, 1_000) == []
    assert await runs.claim(1_100, 9, 1_000) == ["a", "b"]


async def test_one_that_has_changed_is_not_settled(store: Store) -> None:
    runs, begin = store
    await add(store, run("a"), run("b"))
    (a,), (b,) = await runs.load(["a"]), await runs.load(["b"])
    async with begin() as tx:
        await runs.settle(tx, [], [a.run])
    for gone, again in (([a.run], []), ([], [a.run])):
        with pytest.raises(StaleWrite):
            async with begin() as tx:
                await runs.settle(tx, gone, again)
    with pytest.raises(StaleWrite):
        async with begin() as tx:
            await runs.postpone(tx, [a.run])
    async with begin() as tx:
        await runs.settle(tx, [b.run], [])
    assert [due.run.id for due in await runs.load(["a", "b"])] == ["a"]
    with pytest.raises(StaleWrite):
        async with begin() as tx:
            await runs.settle(tx, [b.run], [])


async def test_one_that_is_held_on_is_due_at_its_new_time(store: Store) -> None:
    runs, begin = store
    await add(store, run("a"))
    (due,) = await runs.load(["a"])
    later = msgspec.structs.replace(run("a", 700, node="other"), revision=due.run.revision)
    async with begin() as tx:
        await runs.settle(tx, [], [later])
    assert await runs.next_due_ms() == 700
    assert (await runs.count("c", "n", 9), await runs.count("c", "other", 9)) == (0, 1)
    (due,) = await runs.load(["a"])
    assert due.run.waiting == later.waiting


async def test_an_answer_makes_its_run_due_and_what_was_read_before_stale(store: Store) -> None:
    runs, begin = store
    await add(store, run("a"), run("b"))
    (before,) = await runs.load(["a"])
    told = Wake(3, 4, None, True)
    async with begin() as tx:
        await runs.wake(tx, [RunWake("a", "p", told), RunWake("gone", "p", told)], 50)
    assert await runs.claim(1, 9, 0) == ["a"]
    with pytest.raises(StaleWrite):
        async with begin() as tx:
            await runs.settle(tx, [before.run], [])
    (due,) = await runs.load(["a"])
    assert due.wakes == {"p": told}
    async with begin() as tx:
        await runs.settle(tx, [], [due.run])
    (due,) = await runs.load(["a"])
    assert due.wakes == {}


async def test_one_that_is_postponed_keeps_its_answers(store: Store) -> None:
    runs, begin = store
    await add(store, run("a"))
    told = Wake(refusal="no")
    async with begin() as tx:
        await runs.wake(tx, [RunWake("a", "p", told)], 50)
    (due,) = await runs.load(["a"])
    async with begin() as tx:
        await runs.postpone(tx, [msgspec.structs.replace(due.run, attempts=1, retry_ms=400)])
    assert await runs.claim(399, 9, 0) == []
    assert await runs.claim(400, 9, 0) == ["a"]
    (due,) = await runs.load(["a"])
    assert (due.wakes, due.run.attempts) == ({"p": told}, 1)


async def test_a_slot_has_one_run_the_last_at_the_time_of_the_first(store: Store) -> None:
    runs, begin = store
    await add(store, run("a", 100, slot="s", data=b"1"))
    (before,) = await runs.load(["a"])
    await add(store, run("b", 500, slot="s", data=b"2"), run("c", 600, slot="s", data=b"3"), run("d", 700, slot="t"))
    assert await runs.claim(100, 9, 0) == ["a"]
    (due,) = await runs.load(["a", "b", "c"])
    assert (due.run.id, due.run.waiting.held[0].message.data) == ("a", b"3")
    with pytest.raises(StaleWrite):
        async with begin() as tx:
            await runs.settle(tx, [before.run], [])
    async with begin() as tx:
        await runs.settle(tx, [due.run], [])
    await add(store, run("e", 900, slot="s"))
    assert await runs.next_due_ms() == 700


async def test_how_many_are_held_at_a_node(store: Store) -> None:
    runs, _ = store
    await add(store, *(run(id_) for id_ in "abc"), run("d", node="other"))
    assert await runs.count("c", "n", 9) == 3
    assert await runs.count("c", "n", 2) == 2
    assert await runs.count("x", "n", 9) == 0


async def test_answers_that_nobody_asks_for_are_forgotten(database: Database) -> None:
    runs = StoredHeldRuns(database)
    async with database.begin() as tx:
        await runs.add(tx, [run("a")])
        await runs.wake(tx, [RunWake(id_, "p", Wake()) for id_ in ("a", "gone", "lost")], 50)
    assert await runs.forget(50, 9) == 0
    assert await runs.forget(51, 1) == 1
    assert await runs.forget(51, 9) == 1
    assert [due.wakes for due in await runs.load(["a"])] == [{"p": Wake()}]


async def test_what_a_run_answers_outlives_it(store: Store) -> None:
    runs, begin = store
    await add(store, run("a"), run("b"))
    answers = [RunAnswer("a", [End("e", "True", MESSAGE, 3, "error")], "reason"), RunAnswer("b")]
    async with begin() as tx:
        await runs.wake(tx, [RunWake("a", "p", Wake())], 5)
    (due,) = await runs.load(["a"])
    async with begin() as tx:
        await runs.settle(tx, [due.run, run("b")], [])
        await runs.answer(tx, answers, 7)
    assert sorted(await runs.answers(["a", "b", "c"]), key=lambda each: each.run) == answers
    assert await runs.answers(["c"]) == []


async def test_what_runs_answered_and_nobody_asks_for_is_forgotten(database: Database) -> None:
    runs = StoredHeldRuns(database)
    async with database.begin() as tx:
        await runs.answer(tx, [RunAnswer("old")], 7)
        await runs.answer(tx, [RunAnswer("new")], 9)
    assert await runs.forget(8, 10) == 1
    assert await runs.answers(["old", "new"]) == [RunAnswer("new")]
