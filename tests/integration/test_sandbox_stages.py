"""Script nodes in a real child: what each kind does, and that a stage does not notice the others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tidemill.core.clock import SystemClock
from tidemill.graph.message import Message
from tidemill.rules.scripts.scripts import arguments, changed
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.script import Script, Stage, Staged, Stages
from tidemill.sandbox.settings import SandboxSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[SandboxPool]:
    pool = SandboxPool(SandboxSettings(), SystemClock())
    await pool.start()
    yield pool
    await pool.close()


def stages(*texts: str, **shared: Any) -> Script:
    """`kind: body`, as many as are wanted."""
    parts = [text.partition(":") for text in texts]
    return Stages([Stage(code.removeprefix(" "), kind) for kind, _, code in parts], shared).script()  # type: ignore[arg-type]


def given(msg: Any, metadata: dict[str, str] | None = None, kind: str = "T", data: str = "JSON") -> bytes:
    return json.dumps([msg, metadata or {}, kind, data]).encode()


def shown(staged: Staged) -> dict[str, Any]:
    """What there is of it, in plain values."""
    parts = {"stage": staged.stage, "value": _plain(staged.value), "error": staged.error and staged.error.kind}
    if staged.logs:
        parts["logs"] = list(staged.logs)
    changed = msgspec.json.decode(msgspec.json.encode(staged.changed))
    return {name: part for name, part in (parts | (changed or {})).items() if part is not None}


def _plain(value: msgspec.Raw | None) -> Any:
    return None if value is None else json.loads(bytes(value))


async def one(pool: SandboxPool, script: Script, *item: Any) -> dict[str, Any]:
    (staged,) = await pool.run_stages(script, [given(*item)])
    return shown(staged)


FILTER = "gate: return msg.temperature > 20;"
TRANSFORM = "map: metadata.seen = '1'; msg.unit = 'C'; return {msg: msg, metadata: metadata, msgType: msgType};"


async def test_a_filter_and_a_transform_share_a_call(pool: SandboxPool) -> None:
    inputs = [given({"temperature": n}, {"k": "v"}) for n in range(0, 41, 10)]
    stopped = {"stage": 0, "value": False}
    answers = [shown(staged) for staged in await pool.run_stages(stages(FILTER, TRANSFORM), inputs)]
    assert answers == [stopped] * 3 + [
        {"stage": 1, "msg": {"temperature": n, "unit": "C"}, "metadata": {"k": "v", "seen": "1"}} for n in (30, 40)
    ]


# --- a stage does not notice the others ---------------------------------------------------------------------------

ALIKE = [
    "gate: return msg.temperature > 20 && metadata.k == 'v' && typeof lost == 'undefined';",
    "gate: msg.temperature = 1; metadata.k = 2; msgType = 'no'; return true;",
    "gate: lost = 1; msg.list.push(4); return true;",
    "gate: return msg.temperature;",
    "map: msg.temperature = 30; metadata.lost = 1; lost = 1; return {msg};",
    "map: msg.list = null; metadata.seen = Object.keys(msg); metadata.no = undefined; return {metadata};",
    "map: return {msg: {at: new Date(0), of: [undefined, () => 1], temperature: NaN, list: msg.list}};",
    "map: msg.list.reverse(); return {msg: JSON.stringify(msg), msgType: msgType + 1};",
    "map: return {msg, dataType: 'TEXT'};",
    "map: return {msg: 'no JSON {', dataType: 'JSON', metadata: {}};",
    "map: return {dataType: 'JSON', msgType: 5};",
    "map: return {dataType: 'TEXT'};",
    "map: return {dataType: 'BINARY'};",
    "map: return {msg: [239, 187, 191, 123, 125], dataType: 'BINARY'};",
    "map: return {msg: '[67,68]', dataType: 'odd'};",
    "map: return {msg: [65, 66]};",
    "map: metadata.id = msg.id; metadata.lost = typeof lost; return {msg, metadata, msgType, dataType};",
    "map: return [msg, metadata];",
    "map: return msg.temperature;",
    "value: lost = 1; delete msg.list; return [msg, metadata, msgType, dataType];",
]
MESSAGE = Message(
    "id", 0, "T", b'{"temperature":25,"id":12345678901234567891,"list":[1,2,9007199254740993]}', {"k": "v"}
)
TEXT = Message("id", 0, "T", b'{"temperature":25}', {"k": "v"}, "TEXT")
BYTES = Message("id", 0, "T", b'\xef\xbb\xbf{"a":1}', {"k": "v"}, "BINARY")


async def one_by_one(pool: SandboxPool, texts: tuple[str, ...], message: Message) -> tuple[Staged, Message]:
    """As if each were a node far from the others: what passes between them is a message."""
    staged = Staged(0)
    for at, text in enumerate(texts):
        (staged,) = await pool.run_stages(stages(text), [arguments(message)])
        if staged.changed is not None:
            message = changed(message, staged.changed)
        staged = msgspec.structs.replace(staged, stage=at)
        if staged.error is not None or (staged.value is not None and bytes(staged.value) != b"true"):
            break
    return staged, message


@pytest.mark.parametrize("second", ALIKE)
async def test_sharing_a_call_makes_no_difference(pool: SandboxPool, second: str) -> None:
    for first in ALIKE:
        texts = (first, second, ALIKE[-1])
        for message in (MESSAGE, TEXT, BYTES) if "dataType" in first + second else (MESSAGE,):
            (together,) = await pool.run_stages(stages(*texts), [arguments(message)])
            after = message if together.changed is None else changed(message, together.changed)
            assert ended(together, after) == ended(*await one_by_one(pool, texts, message)), (texts, message)


def ended(staged: Staged, message: Message) -> list[Any]:
    """Also the order of keys and the digits of numbers are the same; only the places of errors are not looked at."""
    error = staged.error and [staged.error.kind, staged.error.message]
    return [staged.stage, error, staged.value and bytes(staged.value), list(message.metadata.items()), message]


async def test_what_a_message_leaves_behind_is_not_seen_by_the_next(pool: SandboxPool) -> None:
    leaks = ["lost = 1", "this.lost = 1", "globalThis.lost = 1", "(() => { lost = 1; })()", "JSON.lost = lost = 1"]
    for leak in [*leaks, "var msg = globalThis; msg.lost = 1", "metadata.a = lost = 1"]:
        script = stages(f"map: var seen = typeof lost; {leak}; return {{msg: seen}};")
        answers = await pool.run_stages(script, [given(n) for n in range(3)])
        assert [shown(staged).get("msg") for staged in answers] == ["undefined"] * 3, leak


# --- what each kind does with what is returned --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "value"),
    [
        ("true", None),
        ("false", False),
        ("1", 1),
        ("'true'", "true"),
        ("undefined", "null"),
        ("() => 1", "null"),
        ("new Boolean(true)", True),
    ],
)
async def test_only_true_passes_a_gate(pool: SandboxPool, returned: str, value: Any) -> None:
    answer = await one(pool, stages(f"gate: return {returned};", "value: return 'passed';"), 1)
    stopped = {"stage": 0} if value == "null" else {"stage": 0, "value": value}
    assert answer == ({"stage": 1, "value": "passed"} if value is None else stopped)


async def test_a_gate_at_the_end_says_true(pool: SandboxPool) -> None:
    assert await one(pool, stages("gate: return true"), 1) == {"stage": 0, "value": True}


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("", "returned nothing;"),
        ("null", "returned null;"),
        ("5", "returned a number;"),
        ("'text'", "returned a string;"),
        ("() => ({})", "returned a function;"),
        ("Promise.resolve({})", "returned a Promise;"),
        ("{metadata: 'text'}", "returned a metadata that is a string;"),
        ("{metadata: [1]}", "returned a metadata that is an array;"),
        ("{msg: () => 1}", "a function is no JSON value"),
        ("{msg: 10n}", "TypeError: Do not know how to serialize a BigInt"),
        ("{msg: 'x'.repeat(9e6)}", "the value is 9000002 characters long; 8388608 is the limit"),
    ],
)
async def test_a_map_that_returns_no_message_says_what_it_returned(
    pool: SandboxPool, returned: str, message: str
) -> None:
    script = stages("map: return {msgType: 'U'};", f"map: return {returned};")
    (staged,) = await pool.run_stages(script, [given(1)])
    assert staged.error is not None
    assert staged.error.message.startswith(message)
    assert shown(staged) == {"stage": 1, "error": "type", "msgType": "U"}


async def test_metadata_are_texts(pool: SandboxPool) -> None:
    values = "a: 'x', b: 1.5, c: true, d: null, e: undefined, f: {g: [1]}, h: new Date(0), i: () => 1, j: 2n, k: ''"
    answer = await one(pool, stages(f"map: return {{metadata: {{{values}}}}};"), 1)
    expected = {"a": "x", "b": "1.5", "c": "true", "f": '{"g":[1]}', "h": "1970-01-01T00:00:00.000Z", "j": "2"}
    assert answer["metadata"] == expected | {"k": ""}


async def test_a_map_that_fails_changes_nothing(pool: SandboxPool) -> None:
    script = stages(
        "map: msg.a = 2; return {msg, metadata: {a: 1}};", "map: return {msg: 3, get metadata() { throw 1; }};"
    )
    assert await one(pool, script, {"a": 1}) == {"stage": 1, "msg": {"a": 2}, "metadata": {"a": "1"}, "error": "throw"}


async def test_constants_are_seen_by_all_and_changed_by_none(pool: SandboxPool) -> None:
    source = "vars.a = 2; vars.list.push(1); vars = 5; return true;"
    script = stages(
        f"gate: try {{ {source} }} catch {{ return true; }}",
        "value: return [vars, global];",
        vars={"list": []},
        **{"global": {"b": 1}},
    )
    assert await one(pool, script, 1) == {"stage": 1, "value": [{"list": []}, {"b": 1}]}


async def test_logs_tell_their_stage(pool: SandboxPool) -> None:
    script = stages(
        "gate: console.log('a', msg); console.warn('b'); return true;",
        "gate: return true;",
        "map: console.log('c'); throw 1;",
    )
    logs = [(0, "a 1"), (0, "b"), (2, "c")]
    assert await one(pool, script, 1) == {"stage": 2, "error": "throw", "logs": logs}
    assert await one(pool, stages("value: console.log(msg); return 1;"), 2) == {
        "stage": 0,
        "value": 1,
        "logs": [(0, "2")],
    }


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "message", "place"),
    [
        ("return msg.b.c", "throw", "TypeError: Cannot read properties of undefined (reading 'c')", (1, 14)),
        ("var x;\n\n  nothing", "throw", "ReferenceError: nothing is not defined", (3, 3)),
        ("\n throw 'text'", "throw", "text", (2, 2)),
        ("throw {code: 5}", "throw", '{"code":5}', (1, 1)),
        ("(function f() { f() })()", "throw", "RangeError: Maximum call stack size exceeded", None),
    ],
)
async def test_an_error_has_its_place_in_its_own_stage(
    pool: SandboxPool, body: str, kind: str, message: str, place: tuple[int, int] | None
) -> None:
    script = stages("gate:\n\n\nreturn true", f"map: {body}", "gate: return true")
    (staged,) = await pool.run_stages(script, [given({})])
    assert (staged.stage, staged.error and (staged.error.kind, staged.error.message)) == (1, (kind, message))
    assert staged.error is not None
    if place is not None:
        assert (staged.error.line, staged.error.column) == place


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("a b", (1, 3)),
        ("\n 'x", (2, 2)),
        ("'use strict'; var a = 08", (1, 23)),
        ("}{", (1, 2)),
        ("return (1", None),
        ("/* ", None),
    ],
)
async def test_a_stage_that_does_not_compile_is_found_with_its_place(
    pool: SandboxPool, code: str, place: tuple[int, int] | None
) -> None:
    script = stages("gate: return 1 // so it is", f"map: {code}", "value: return 1")
    (finding,) = await pool.check(script)
    assert (finding.path, finding.kind) == ("stages[1]", "compile")
    assert finding.line is not None
    if place is not None:
        assert (finding.line, finding.column) == place
    (staged,) = await pool.run_stages(script, [given(1)])
    assert staged.stage == 1
    assert staged.error is not None
    assert (staged.error.kind, staged.error.line) == ("compile", finding.line)


async def test_what_is_no_body_runs_nothing(pool: SandboxPool) -> None:
    (finding,) = await pool.check(stages("map: }); while (true); (function () {"))
    assert finding.kind == "compile"
    assert await pool.check(stages("gate: while (true);", "value: throw 1")) == []


async def test_an_input_that_is_no_json_costs_only_itself(pool: SandboxPool) -> None:
    for text in (b"", b"[", b'[1, {}, "\xff", "JSON"]', b"\x1e", b"null"):
        before, bad, after = await pool.run_stages(stages("gate: return true"), [given(1), text, given(2)])
        assert (_plain(before.value), _plain(after.value)) == (True, True)
        assert bad.error is not None


# --- numbers ------------------------------------------------------------------------------------------------------

KEPT = "map: msg.s = 1; return {msg};"


@pytest.mark.parametrize(
    ("text", "body", "expected"),
    [
        (
            '{"a":12345678901234567890,"b":-9007199254740993}',
            KEPT,
            '{"a":12345678901234567890,"b":-9007199254740993,"s":1}',
        ),
        ("12345678901234567891", "map: return {msg};", "12345678901234567891"),
        (
            '{"z":1,"a":2,"nested":[{"id":9223372036854775807}]}',
            KEPT,
            '{"z":1,"a":2,"nested":[{"id":9223372036854775807}],"s":1}',
        ),
        # Two that are one number for JavaScript, told apart by their places.
        ('{"a":9007199254740992,"b":9007199254740993}', KEPT, '{"a":9007199254740992,"b":9007199254740993,"s":1}'),
        ("[9007199254740993,9007199254740992]", "map: return {msg};", "[9007199254740993,9007199254740992]"),
        ("[9007199254740993,9007199254740992]", "map: return {msg: msg.slice(1)};", "[9007199254740992]"),
        ("[9007199254740993,9007199254740992]", "map: msg.shift(); return {msg};", "[9007199254740992]"),
        ('{"id":9007199254740993}', "map: return {msg: {other: msg.id}};", '{"other":9007199254740993}'),
        ('{"id":9007199254740993}', "map: return {msg: msg.id + 2};", "9007199254740994"),
        ('{"id":9007199254740993}', "map: return {msg: [typeof msg.id, msg.id > 5, msg.id % 2]};", '["number",true,0]'),
        ('{"id":9007199254740993}', "map: return {metadata: {id: msg.id}, msg: 1};", "1"),
        ('"12345678901234567890"', "map: return {msg: '{\"id\":' + msg + '}'};", '"{\\"id\\":12345678901234567890}"'),
        (
            '{"ts":1700000000000000,"f":0.30000000000000004,"e":1e300}',
            KEPT,
            '{"ts":1700000000000000,"f":0.30000000000000004,"e":1e+300,"s":1}',
        ),
        ('{"list":[1,2,3],"bytes":[65,66],"empty":[]}', KEPT, '{"list":[1,2,3],"bytes":[65,66],"empty":[],"s":1}'),
    ],
)
async def test_numbers_keep_their_digits_and_keys_their_order(
    pool: SandboxPool, text: str, body: str, expected: str
) -> None:
    inputs = [f'[{text},{{}},"T","JSON"]'.encode()] * 2
    for script in (stages(body), stages(body, "map: return {msg, metadata};")):
        for staged in await pool.run_stages(script, inputs):
            assert staged.changed is not None
            assert staged.changed.msg is not msgspec.UNSET
            if body.startswith("map: return {msg: '") and script != stages(body):
                expected = '{"id":12345678901234567890}'
            assert bytes(staged.changed.msg).decode() == expected
            if "metadata: {" in body:
                assert staged.changed.metadata == {"id": "9007199254740993"}


# --- what spoils ----------------------------------------------------------------------------------------------------


async def test_a_stage_that_spoils_its_world_still_gets_answers(pool: SandboxPool) -> None:
    spoil = (
        "JSON.stringify = JSON.parse = Object.keys = Array.isArray = String = Map.prototype.get = WeakMap = null;"
        "Array.prototype[Symbol.iterator] = RegExp.prototype.exec = Object.freeze = null;"
    )
    script = stages(f"map: {spoil} metadata.n = 1; return {{msg, metadata}};", "map: return {msg};")
    for _ in range(2):
        answers = await pool.run_stages(script, [b'[{"id":12345678901234567890},{},"T","JSON"]'] * 2)
        assert [shown(staged) for staged in answers] == [
            {"stage": 1, "msg": {"id": 12345678901234567890}, "metadata": {"n": "1"}}
        ] * 2


async def test_a_batch_of_many_slices_comes_back_whole(pool: SandboxPool) -> None:
    text = "x" * 100_000
    script = stages("gate: if (msg.n % 100 == 7) throw 'no'; return true;", "map: msg.text += msg.text; return {msg};")
    ids = [1 if n % 100 == 7 else 2**63 + n for n in range(250)]
    answers = await pool.run_stages(script, [given({"n": n, "text": text, "id": ids[n]}) for n in range(250)])
    thrown = [n for n, staged in enumerate(answers) if staged.error]
    assert thrown == [7, 107, 207]
    assert all(staged.error is None or staged.error.line == 1 for staged in answers)
    messages = [(n, shown(staged)["msg"]) for n, staged in enumerate(answers) if not staged.error]
    assert all((msg["n"], msg["id"]) == (n, ids[n]) for n, msg in messages)


async def test_one_text_may_be_read_in_two_forms(pool: SandboxPool) -> None:
    script = stages("gate: return true")
    (as_expression,) = await pool.run(msgspec.structs.replace(script, form="expression"), [b"{}"])
    assert as_expression.error is not None
    children = list(pool.pids)
    assert (await one(pool, script, 1))["value"] is True
    assert list(pool.pids) == children, "the child took the one for the other"
