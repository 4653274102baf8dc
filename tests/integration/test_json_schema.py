"""The judge of JSON Schemas in a real child: what fits and what does not, where, and what a hostile schema can do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.fakes.sandbox import judged
from tidemill.core.clock import SystemClock
from tidemill.core.codec import from_json, to_json
from tidemill.expressions.json_schema import JUDGE, examination, findings_of, question
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.settings import SandboxSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES: Sequence[dict[str, Any]] = [
    from_json(line) for line in (Path(__file__).parent / "json_schema_cases.jsonl").read_text().splitlines()
]
"""Each has a schema, values that fit, and values that do not."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[SandboxPool]:
    pool = SandboxPool(SandboxSettings(time_limit_s=60), SystemClock())
    await pool.start()
    yield pool
    await pool.close()


async def judge(pool: SandboxPool, *asked: tuple[Any, Any]) -> list[list[tuple[str, str]]]:
    """Of each (schema, value): the places and messages."""
    inputs = [question(to_json(schema).decode(), to_json(value)) for schema, value in asked]
    answers = await pool.run(JUDGE, inputs)
    return [[(finding.path, finding.message) for finding in findings_of(answer, "v")] for answer in answers]


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


async def test_what_fits_and_what_does_not(pool: SandboxPool) -> None:
    asked = [(case["schema"], value, True) for case in CASES for value in case["fit"]]
    asked += [(case["schema"], value, False) for case in CASES for value in case["not"]]
    found = await judge(pool, *((schema, value) for schema, value, _ in asked))
    wrong = [ask for ask, findings in zip(asked, found, strict=True) if (not findings) != ask[2]]
    assert wrong == []


async def test_every_schema_of_these_is_one_but_for_what_leads_nowhere(pool: SandboxPool) -> None:
    schemas = [case["schema"] for case in CASES]
    answers = await pool.run(JUDGE, [examination(to_json(schema).decode()) for schema in schemas])
    found = zip(schemas, answers, strict=True)
    assert [schema for schema, answer in found if findings_of(answer, "")] == [
        {"$ref": "#/nowhere"},
        {"$ref": "https://x.y/else"},
    ]


async def test_every_mistake_is_told_with_its_place(pool: SandboxPool) -> None:
    item = {**object_of(price={"type": "number", "minimum": 0}), "required": ["sku"], "additionalProperties": False}
    item["properties"]["sku"] = True
    schema = {**object_of(items={"type": "array", "items": item}, at={"enum": ["a", 1]}), "required": ["id"]}
    given = {"items": [{"sku": 1}, {"price": "3", "a b": 1}, {"sku": 1, "price": -2}], "at": "b"}
    (found,) = await judge(pool, (schema, given))
    assert found == [
        ("v.id", "is missing"),
        ("v.items[1].sku", "is missing"),
        ("v.items[1].price", "must be a number, not a text"),
        ('v.items[1]["a b"]', "is not allowed"),
        ("v.items[2].price", "must be at least 0, not -2"),
        ("v.at", 'must be one of "a", 1'),
    ]
    (whole,) = await judge(pool, ({"type": "object"}, [1]))
    assert whole == [("v", "must be an object, not a list")]
    (many,) = await judge(pool, ({"items": {"type": "string"}}, list(range(1000))))
    assert len(many) == 20


@pytest.mark.parametrize(
    ("schema", "places"),
    [
        ({"type": "text"}, ["type"]),
        ({"properties": {"a": {"minimum": "3"}}}, ["properties.a.minimum"]),
        ({"allOf": [True, {"pattern": "("}]}, ["allOf[1].pattern"]),
        ({"patternProperties": {"(": {}}}, ['patternProperties["("]']),
        ({"required": "a", "items": 3, "enum": 1, "minLength": -1}, ["required", "items", "enum", "minLength"]),
        ({"dependencies": {"a": 5}}, ["dependencies"]),
        ({"not": {"$ref": "#/nope"}}, ["not.$ref"]),
        ({"properties": {"a": 3, "b": {"multipleOf": 0}}}, ["properties", "properties.b.multipleOf"]),
    ],
)
async def test_a_schema_that_is_none(pool: SandboxPool, schema: Any, places: list[str]) -> None:
    (answer,) = await pool.run(JUDGE, [examination(to_json(schema).decode())])
    assert [finding.path for finding in findings_of(answer, "")] == places
    # Judging by it all the same ends, whatever comes of it.
    assert (await pool.run(JUDGE, [question(to_json(schema).decode(), b'{"a":[1,"x"]}')]))[0].error is None


async def test_a_schema_that_never_comes_to_an_end_is_given_up_after_so_many_steps(pool: SandboxPool) -> None:
    levels = {f"x{n}": {"anyOf": [{"$ref": f"#/$defs/x{n + 1}"}] * 2} for n in range(60)}
    exponential = {"$defs": {**levels, "x60": {"type": "string"}}, "$ref": "#/$defs/x0"}
    endless = {"anyOf": [{"$ref": "#"}]}
    found = await judge(pool, (exponential, 1), ({"type": "string"}, "x"), (endless, 1), ({"type": "string"}, 5))
    given_up = [("v", "cannot be judged: the schema takes too many steps, or refers to itself without end")]
    assert found == [given_up, [], given_up, [("v", "must be a text, not a number")]]


async def test_a_pattern_that_takes_for_ever_costs_only_its_own() -> None:
    impatient = SandboxPool(SandboxSettings(time_limit_s=1), SystemClock())
    await impatient.start()
    try:
        good, slow = ({"type": "string"}, "x"), ({"pattern": "^(a+)+$"}, "a" * 60 + "b")
        found = await judge(impatient, good, slow, good)
    finally:
        await impatient.close()
    assert found == [[], [("v", "cannot be judged by its schema: took longer than 1 s")], []]


async def test_a_schema_cannot_spoil_the_next_one(pool: SandboxPool) -> None:
    """A schema is data: what it names is looked up nowhere else."""
    hostile = {"properties": {"__proto__": False, "constructor": {"type": "string"}}, "$ref": "#/__proto__/toString"}
    found = await judge(
        pool, (hostile, {}), ({"required": ["constructor"]}, {}), ({"type": "object"}, {"__proto__": 1})
    )
    assert [len(findings) for findings in found] == [1, 1, 0]


async def test_the_judge_of_the_other_tests_says_what_this_one_says(pool: SandboxPool) -> None:
    asked: list[tuple[Any, Any]] = [
        ({"required": ["a", "b"]}, {"b": 1}),
        ({"required": []}, {}),
        ({"required": ["a"]}, []),
    ]
    inputs = [question(to_json(schema).decode(), to_json(value)) for schema, value in asked]
    inputs += [examination('{"required":"a"}'), examination('{"required":["a"]}')]
    answers = [answer.value for answer in await pool.run(JUDGE, inputs)]
    assert [judged(from_json(item)) for item in inputs] == answers
