"""jq in a real child: values, errors with their places, and what a query cannot reach."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tidemill.core.clock import SystemClock
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.script import Computed, Script
from tidemill.sandbox.settings import SandboxSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[SandboxPool]:
    pool = SandboxPool(SandboxSettings(time_limit_s=0.5, results_max=1_000), SystemClock())
    await pool.start()
    yield pool
    await pool.close()


def query(source: str) -> Script:
    return Script("jq", source, "query")


def given(body: Any) -> bytes:
    return json.dumps({"$": body, "$record": {"topic": "t"}}).encode()


async def one(pool: SandboxPool, source: str, body: Any = None) -> Computed:
    (computed,) = await pool.run(query(source), [given(body)])
    return computed


@pytest.mark.parametrize(
    ("source", "results"),
    [
        (".a", [1]),
        (".a, .b", [1, [1, 2]]),
        (".b[]", [1, 2]),
        ("empty", []),
        ('{x: .a, "y": (.b | add)}', [{"x": 1, "y": 3}]),
        (".text | ascii_downcase", ["é😀"]),
        ("100000000000000000000", [100000000000000000000]),
        ("nan", [None]),
        (".env, .input, {env: 1, input}", [None, None, {"env": 1, "input": None}]),
        ('"env input $ENV"', ["env input $ENV"]),
        ("1 # env\n", [1]),
        ("$__loc__.line", [1]),
        ("debug, stderr | .a", [1, 1]),
        ('try error("x") catch .', ["x"]),
    ],
)
async def test_the_value_is_the_list_of_all_results(pool: SandboxPool, source: str, results: list[Any]) -> None:
    assert await pool.check(query(source)) == []
    assert await one(pool, source, {"a": 1, "b": [1, 2], "text": "é😀"}) == Computed(results)


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (".a b", (1, 4)),
        ("{a: .x,\n b: foo}", (2, 5)),
        ("$x", (1, 1)),
        ("env", (1, 1)),
        (".a |\n  $ENV.PATH", (2, 3)),
        ('"\\(env)"', (1, 4)),
        ('"a\\("b\\(1 + ({"x": inputs}))")"', (1, 20)),
        ("{$ENV}", (1, 2)),
        ("{a: env}", (1, 5)),
        ('import "a" as a; .', (1, 1)),
        ('include "a"; .', (1, 1)),
        ("input", (1, 1)),
        ("[inputs]", (1, 2)),
        ("input_filename", (1, 1)),
        ("get_search_list", (1, 1)),
        ("1, halt", (1, 4)),
        ("halt_error", (1, 1)),
        ('# a \\\n"\nenv', (3, 1)),
    ],
)
async def test_a_query_that_may_not_be_is_found_with_its_place(
    pool: SandboxPool, source: str, place: tuple[int, int]
) -> None:
    (finding,) = await pool.check(query(source))
    assert (finding.line, finding.column) == place
    assert (finding.path, finding.kind) == ("", "compile")
    error = (await one(pool, source)).error
    assert error is not None
    assert (error.kind, error.line, error.column) == ("compile", *place)


async def test_an_error_costs_one_message_and_keeps_jqs_text(pool: SandboxPool) -> None:
    bodies: list[Any] = [{"a": 1}, [1], {"a": 2}]
    first, bad, last = await pool.run(query(".a"), [given(body) for body in bodies])
    assert (first.value, last.value) == ([1], [2])
    assert bad.error is not None
    assert (bad.error.kind, bad.error.message) == ("throw", 'Cannot index array with string ("a")')


@pytest.mark.parametrize("text", [b"", b"{", b'{"$": nan}', b'{"$": "\xff"}'])
async def test_an_input_that_is_no_json_costs_only_itself(pool: SandboxPool, text: bytes) -> None:
    before, bad, after = await pool.run(query("."), [given(1), text, given(2)])
    assert (before.value, after.value) == ([1], [2])
    assert bad.error is not None
    assert bad.error.kind == "type"


@pytest.mark.parametrize("source", ["range(1e12)", 'repeat("x")', "[range(2)] | . as $a | range(1e12) | $a"])
async def test_endless_results_end(pool: SandboxPool, source: str) -> None:
    error = (await one(pool, source)).error
    assert error is not None
    assert (error.kind, error.message) == ("memory", "the results are too many or too large")


async def test_there_is_no_environment_and_no_file(pool: SandboxPool) -> None:
    assert (await one(pool, "now | localtime | mktime | type")).value == ["number"]
    names = (await one(pool, "builtins")).value
    assert "input_filename/0" in names[0]
    for source in ("builtins | length", "@text", "input_line_number?"):
        assert "error" not in str((await one(pool, source)).value)


async def test_one_query_sees_nothing_of_another(pool: SandboxPool) -> None:
    await one(pool, "def secret: 42; secret")
    assert (await pool.check(query("secret")))[0].message == "secret/0 is not defined"


async def test_large_batches_come_back_whole(pool: SandboxPool) -> None:
    computed = await pool.run(query(". * 2"), [given(n) for n in range(2_100)])
    assert [item.value for item in computed] == [[n * 2] for n in range(2_100)]
