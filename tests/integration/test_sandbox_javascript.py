"""JavaScript in a real child: values, errors with their places, the environment, and what a script cannot reach."""

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
    pool = SandboxPool(SandboxSettings(time_limit_s=0.5), SystemClock())
    await pool.start()
    yield pool
    await pool.close()


def script(source: str) -> Script:
    return Script("javascript", source, "expression")


def given(body: Any, **more: Any) -> bytes:
    return json.dumps({"$": body, **more}).encode()


async def one(pool: SandboxPool, source: str, body: Any = None, **more: Any) -> Computed:
    (computed,) = await pool.run(script(source), [given(body, **more)])
    return computed


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("$.a > 1", True),
        ("$.a > 1;", True),
        ("$.a > 1 // so it is", True),
        ("'use strict'; $.a", 2),
        ("(function(){ return $.a * 2; })()", 4),
        ("function e() { return {a: $.a}; } e();", {"a": 2}),
        ("var x = $.a; x + 1", 3),
        ("let x = $.a;\nif (x > 1) { 'many' } else { 'few' }", "many"),
        ("$.list.map(x => x * 2)", [2, 4]),
        ("$record.topic + ':' + $record.offset", "orders:7"),
        ("other.x", 5),
        ("$.missing", None),
        ("undefined", None),
        ("null", None),
        ("", None),
        ("{}", None),
        ("({a: undefined, b: NaN, c: () => 1, d: [undefined]})", {"b": None, "d": [None]}),
        ("$.text", "é\u0000\u2028€😀"),
        ("'\\ud800-\\\\ud800'", "\ufffd-\\ud800"),
        ("new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("/a(b)/.exec('ab')[1]", "b"),
        ("`${$.a}`", "2"),
        ("$.a = 5; $.a", 5),
        ("$['a'] == 2 && typeof $record", "object"),
    ],
)
async def test_the_value_is_that_of_the_last_statement(pool: SandboxPool, source: str, value: Any) -> None:
    body = {"a": 2, "list": [1, 2], "text": "é\u0000\u2028€😀"}
    computed = await one(pool, source, body, **{"$record": {"topic": "orders", "offset": 7}, "other": {"x": 5}})
    assert computed == Computed(value)


@pytest.mark.parametrize(
    ("source", "kind", "message", "place"),
    [
        ("$.a.b.c", "throw", "TypeError: Cannot read properties of undefined (reading 'c')", (1, 7)),
        ("var x = 1;\n\n  $.a.b.c", "throw", "TypeError: Cannot read properties of undefined (reading 'c')", (3, 9)),
        ("function f() {\n  throw new RangeError('no') }\nf()", "throw", "RangeError: no", (2, 9)),
        ("nothing", "throw", "ReferenceError: nothing is not defined", (1, 1)),
        ("1;\n  throw 'text'", "throw", "text", (2, 3)),
        ("throw {code: 5}", "throw", '{"code":5}', (1, 1)),
        ("throw null", "throw", "null", (1, 1)),
        ("(function f() { f() })()", "throw", "RangeError: Maximum call stack size exceeded", None),
        ("10n", "type", "TypeError: Do not know how to serialize a BigInt", None),
        ("(function(){})", "type", "a function is no JSON value", None),
        ("Symbol('x')", "type", "a symbol is no JSON value", None),
        ("Promise.resolve(1)", "type", "a Promise is no JSON value: scripts are synchronous", None),
        ("let a = {}; a.a = a; a", "type", None, None),
        ("'x'.repeat(9e6)", "type", "the value is 9000002 characters long; 8388608 is the limit", None),
    ],
)
async def test_an_error_has_its_kind_and_place(
    pool: SandboxPool, source: str, kind: str, message: str | None, place: tuple[int, int] | None
) -> None:
    error = (await one(pool, source, {"a": {}})).error
    assert error is not None
    assert error.kind == kind
    if message is not None:
        assert error.message == message
    if place is not None:
        assert (error.line, error.column) == place


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("$.a b", (1, 5)),
        ("if (true) {\n  foo(;\n}", (2, 7)),
        ("'use strict';\nvar a = 08", (2, 9)),
        ("return 1", (1, 1)),
        ("foo(", (1, 5)),
        ("'abc", (1, 1)),
        ("}{", (1, 1)),
    ],
)
async def test_a_script_that_does_not_compile_is_found_with_its_place(
    pool: SandboxPool, source: str, place: tuple[int, int]
) -> None:
    (finding,) = await pool.check(script(source))
    assert (finding.line, finding.column) == place
    assert (finding.path, finding.kind, finding.level) == ("", "compile", "error")
    assert "SyntaxError" in finding.message
    error = (await one(pool, source)).error
    assert error is not None
    assert (error.kind, error.line, error.column) == ("compile", *place)


@pytest.mark.parametrize("source", ["$.a > 1", "", "while (true);", "let $ = 1", "throw 1", "'use strict'; $.a"])
async def test_checking_runs_nothing(pool: SandboxPool, source: str) -> None:
    assert await pool.check(script(source)) == []


async def test_a_throw_costs_one_message_of_a_batch(pool: SandboxPool) -> None:
    computed = await pool.run(script("if ($ % 100 == 7) throw new Error('no'); $ * 2"), [given(n) for n in range(500)])
    assert [item.value for item in computed] == [None if n % 100 == 7 else n * 2 for n in range(500)]
    assert [n for n, item in enumerate(computed) if item.error] == [7, 107, 207, 307, 407]


@pytest.mark.parametrize("text", [b"", b"{", b'{"$": 1', b'{"$": "\xff"}', b'{"$": "\x1e"}', b"\x1e"])
async def test_an_input_that_is_no_json_costs_only_itself(pool: SandboxPool, text: bytes) -> None:
    before, bad, after = await pool.run(script("$ + 1"), [given(1), text, given(2)])
    assert (before.value, after.value) == (2, 3)
    assert bad.error is not None
    assert bad.error.kind == "type"


async def test_large_batches_and_large_inputs_come_back_whole(pool: SandboxPool) -> None:
    assert await pool.run(script("$"), []) == []
    numbers = [given(n) for n in range(2_500)]
    assert [item.value for item in await pool.run(script("$"), numbers)] == list(range(2_500))
    text = "x" * 3_000_000
    assert [item.value for item in await pool.run(script("$.length"), [given(text)] * 8)] == [len(text)] * 8
    assert [item.value == text for item in await pool.run(script("$"), [given(text)] * 5)] == [True] * 5


async def test_the_same_script_sees_nothing_of_the_message_before(pool: SandboxPool) -> None:
    source = "var seen = typeof a + typeof b + typeof extra; a = 1; globalThis.b = 2; function c() {} seen + typeof d"
    inputs = [given(1, extra=1), given(2), given(3)]
    values = [item.value for item in await pool.run(script(source), inputs)]
    assert values == ["undefinedundefinednumberundefined", *["undefinedundefinedundefinedundefined"] * 2]


async def test_a_message_that_threw_leaves_nothing_behind(pool: SandboxPool) -> None:
    source = "if ($ == 0) { left = 1; throw 'text'; } typeof left"
    assert (await pool.run(script(source), [given(0)]))[0].error is not None
    assert (await pool.run(script(source), [given(1)]))[0].value == "undefined"


async def test_one_script_spoils_nothing_for_another(pool: SandboxPool) -> None:
    await one(pool, "Object.prototype.polluted = 1; Array.prototype.map = null; JSON.stringify = null; 1")
    await one(pool, "Object.defineProperty(globalThis, 'hidden', {value: 1}); String.prototype.split = null; 1")
    assert (await one(pool, "[typeof ({}).polluted, typeof hidden, [1].map(x => x + 1)[0]]")).value == [
        "undefined",
        "undefined",
        2,
    ]


async def test_a_script_that_spoils_its_own_world_still_gets_answers(pool: SandboxPool) -> None:
    source = (
        "JSON.stringify = JSON.parse = Date.now = Array.prototype.toJSON = Object.prototype.toJSON = null;"
        "String.prototype.split = Reflect.deleteProperty = null; $"
    )
    for _ in range(2):
        assert [item.value for item in await pool.run(script(source), [given(n) for n in range(3)])] == [0, 1, 2]


@pytest.mark.parametrize(
    "name",
    [
        "process",
        "require",
        "module",
        "global",
        "Deno",
        "Bun",
        "fetch",
        "XMLHttpRequest",
        "WebSocket",
        "importScripts",
        "WebAssembly",
        "SharedArrayBuffer",
        "Atomics",
        "setTimeout",
        "__harness",
        "__timer_manager",
        "os",
        "std",
        "load",
        "print",
        "read",
        "quit",
        "Java",
        "Polyglot",
    ],
)
async def test_there_is_nothing_to_reach_the_outside_with(pool: SandboxPool, name: str) -> None:
    assert (await one(pool, f"typeof {name}")).value == "undefined"
    assert (await one(pool, f"typeof Function('return this')()[{name!r}]")).value == "undefined"


async def test_importing_is_no_way_out(pool: SandboxPool) -> None:
    assert (await one(pool, "import('fs'); 1")).value == 1
    assert (await pool.check(script("import fs from 'fs'")))[0].kind == "compile"


async def test_what_is_logged_is_kept_and_bounded(pool: SandboxPool) -> None:
    computed = await one(pool, "console.log('a', 1, {b: [2]}, null, undefined, new Error('x')); console.warn('w'); 1")
    assert list(computed.logs) == ['a 1 {"b":[2]} null undefined Error: x', "w"]
    assert list((await one(pool, "console.error('before'); throw 1")).logs) == ["before"]
    many = await one(pool, "for (let i = 0; i < 1e4; i++) console.log('y'.repeat(5000)); 1")
    assert len(many.logs) == 101
    assert max(len(line) for line in many.logs) == 1001
    first, second = await pool.run(script("if ($ == 1) console.debug('one'); $"), [given(1), given(2)])
    assert (list(first.logs), list(second.logs)) == (["one"], [])


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("btoa('Hello, world')", "SGVsbG8sIHdvcmxk"),
        ("btoa('a') + btoa('ab') + btoa('')", "YQ==YWI="),
        ("atob('SGVsbG8sIHdvcmxk')", "Hello, world"),
        ("atob(' YQ = = ') + atob('YWI')", "aab"),
        ("atob(btoa('\\xff\\x00\\x80')) == '\\xff\\x00\\x80'", True),
        ("Array.from(new TextEncoder().encode('aé€😀'))", list("aé€😀".encode())),
        ("new TextDecoder().decode(new TextEncoder().encode('aé€😀'))", "aé€😀"),
        ("new TextDecoder().decode(new Uint8Array([0xef,0xbb,0xbf,97]))", "a"),
        (
            "new TextDecoder().decode(new Uint8Array([0x61,0xff,0xc3,0x28,0xe2,0x82,0x62,0xed,0xa0,0x80]))",
            "a\ufffd\ufffd(\ufffdb\ufffd\ufffd\ufffd",
        ),
        ("new TextDecoder('latin1').decode(new Uint8Array([0xe9]).buffer)", "é"),
        ("new TextDecoder('utf-16le').decode(new Uint8Array([0x3d,0xd8,0x00,0xde]))", "😀"),
        ("new TextDecoder('UTF-16BE').decode(new Uint16Array([0x6100]))", "a"),
        ("new TextDecoder().decode(new DataView(new Uint8Array([1,97,98]).buffer, 1))", "ab"),
        ("new TextDecoder().decode(new Uint8Array(100000).fill(97)).length", 100_000),
        ("new TextDecoder().encoding + new TextDecoder('utf8', {fatal: true}).fatal", "utf-8true"),
        ("try { atob('a') } catch (e) { e.name }", "InvalidCharacterError"),
        ("try { btoa('€') } catch (e) { e.name }", "InvalidCharacterError"),
        (
            "try { new TextDecoder('utf-8', {fatal: true}).decode(new Uint8Array([255])) } catch (e) { e.name }",
            "TypeError",
        ),
        ("try { new TextDecoder('koi8') } catch (e) { e.name }", "RangeError"),
        ("typeof console.log", "function"),
        ("JSON.stringify(Object.keys(globalThis).filter(k => globalThis[k] !== undefined))", "[]"),
    ],
)
async def test_the_environment_is_what_browsers_have(pool: SandboxPool, source: str, value: Any) -> None:
    assert await one(pool, source) == Computed(value)


async def test_more_scripts_than_contexts_work_on(pool: SandboxPool) -> None:
    await one(pool, "$", 1)
    before = list(pool.pids)
    for _ in range(2):
        for n in range(40):
            assert (await one(pool, f"$ + {n}", 1)).value == 1 + n
    assert list(pool.pids) == before
