"""`cacheConfig`: which tasks keep their outputs, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.workflows.conductor.parts import compiled, plan_of, task, told, workflow
from tidemill.workflows.formats.conductor.reference import CACHED
from tidemill.workflows.formats.conductor.types import BY_NAME, TYPES
from tidemill.workflows.plans.plan import Cache
from tidemill.workflows.tasks import KINDS

WHOLE: dict[str, Any] = {"key": "${uri}-${method}", "ttlInSecond": 60}
INPUTS = {"uri": "http://a.example", "method": "${workflow.input.method}"}


def test_the_key_is_a_template_over_the_input() -> None:
    cache = plan_of(workflow(task("a", inputs=INPUTS, cacheConfig=WHOLE))).steps["a"].cache
    assert cache is not None and cache.ttl_s == 60
    assert cache.key.render({"uri": "u", "method": "GET"}) == "u-GET"


@pytest.mark.parametrize("ttl", [0, None])
def test_without_a_time_nothing_is_kept(ttl: int | None) -> None:
    config = {"key": "k", "ttlInSecond": ttl}
    assert plan_of(workflow(task("a", cacheConfig=config))).steps["a"].cache is None


@pytest.mark.parametrize(
    ("item", "path", "message", "level"),
    [
        (task("a", cacheConfig={"ttlInSecond": 1}), "cacheConfig.key", "is missing", "error"),
        (task("a", cacheConfig={"key": "k", "ttlInSecond": -1}), "cacheConfig.ttlInSecond", "must be from 0", "error"),
        (task("a", cacheConfig={"key": 5, "ttlInSecond": 1}), "cacheConfig.key", "must be text, not", "error"),
        (task("a", cacheConfig="k"), "cacheConfig", "must be an object, not", "error"),
        (
            task("a", cacheConfig={"key": "${workflow.input.n}", "ttlInSecond": 1}),
            "cacheConfig.key",
            "the task has no input 'workflow': nothing is kept",
            "warning",
        ),
        (task("a", cacheConfig={"key": "k", "ttl": 1}), "cacheConfig.ttl", "unknown key 'ttl'", "warning"),
        (
            task("a", "SET_VARIABLE", {"x": 1}, cacheConfig={"key": "k", "ttlInSecond": 1}),
            "cacheConfig",
            "without effect on a task of type SET_VARIABLE",
            "warning",
        ),
    ],
)
def test_findings(item: dict[str, Any], path: str, message: str, level: str) -> None:
    result = compiled(workflow(item))
    ((at, text, how),) = told(result.findings)
    assert (at, how) == (f"tasks[0].{path}", level)
    assert text.startswith(message)
    if level == "warning":
        assert result.plan.steps["a"].cache is None


def test_the_task_that_a_dynamic_one_turns_out_to_be_keeps_it() -> None:
    dynamic = task("a", "DYNAMIC", {"which": "${workflow.input.w}"}, dynamicTaskNameParam="which", cacheConfig=WHOLE)
    plan = plan_of(workflow(dynamic))
    assert plan.expand is not None and plan.steps["a"].cache is None
    made = plan.expand(plan.steps["a"], {"which": "prices", "uri": "u", "method": "GET"})
    step = made.steps[made.entry or ""]
    assert isinstance(step.cache, Cache) and step.name == "prices"


def test_the_reference_names_the_types_that_keep_outputs() -> None:
    kept = {name for name, type_ in BY_NAME.items() if type_.name in CACHED}
    kinds = {"SIMPLE": "worker", "HTTP": "http", "INLINE": "script", "LAMBDA": "script", "JSON_JQ_TRANSFORM": "jq"}
    assert {*kinds, "SUB_WORKFLOW"} == set(CACHED) <= kept
    assert {kind.name for kind in KINDS.values() if kind.is_cacheable} == {*kinds.values(), "sub_workflow"}
    assert set(CACHED) <= {each.name for each in TYPES}
