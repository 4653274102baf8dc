"""What a task can read of another: names that cannot be there are said when the definition is saved."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.unit.workflows.conductor.parts import compiled, task, told, workflow


def switch(ref: str, **cases: list[Any]) -> dict[str, Any]:
    return task(ref, "SWITCH", {"v": 1}, expression="v", decisionCases=cases)


def reading(ref: str, *names: str) -> dict[str, Any]:
    return task(ref, inputs={name: f"${{{name}.output.x}}" for name in names})


@pytest.mark.parametrize(
    "document",
    [
        workflow(task("a"), reading("b", "a")),
        workflow(switch("s", A=[task("a")]), reading("b", "a", "s")),
        workflow(task("a"), switch("s", A=[reading("b", "a", "s")])),
        workflow(reading("a", "a")),
        workflow(task("a"), outputParameters={"x": "${a.output}"}),
    ],
    ids=["before", "in a case before", "around", "itself", "at the end"],
)
def test_what_can_have_run_is_read_without_a_word(document: Any) -> None:
    assert compiled(document).findings == []


@pytest.mark.parametrize(
    ("document", "path", "why"),
    [
        (workflow(reading("a", "b"), task("b")), "tasks[0].inputParameters", "comes later"),
        (
            workflow(switch("s", A=[reading("a", "b")]), task("b")),
            "tasks[0].decisionCases.A[0].inputParameters",
            "comes",
        ),
        (
            workflow(switch("s", A=[reading("a", "b")], B=[task("b")])),
            "tasks[0].decisionCases.A[0].inputParameters",
            "is in another case than this one",
        ),
        (
            workflow({**switch("s", A=[task("b")]), "inputParameters": {"v": "${b.output.x}"}}),
            "tasks[0].inputParameters",
            "is inside this one",
        ),
    ],
)
def test_what_cannot_have_run_is_a_warning(document: Any, path: str, why: str) -> None:
    ((found, message, level),) = told(compiled(document).findings)
    assert (found, level) == (path, "warning")
    assert message.startswith(f"${{b...}}: task 'b' {why}")


def test_names_of_tasks_in_definitions_of_their_own_are_not_ours() -> None:
    inner = workflow(task("b"))
    child = task("c", "SUB_WORKFLOW", subWorkflowParam={"name": "w2", "workflowDefinition": inner})
    messages = [message for _, message, _ in told(compiled(workflow(child, reading("a", "b"))).findings)]
    assert "${b...}: no task has this reference name, so it is null" in messages


def test_five_thousand_tasks_take_well_under_a_second() -> None:
    tasks = [reading(f"t{n}", f"t{n - 1}", f"unknown{n}") if n else task("t0") for n in range(5_000)]
    began = time.process_time()
    findings = compiled(workflow(*tasks)).findings
    assert time.process_time() - began < 3  # 0.3 s on the reference machine: what grows with the square takes minutes
    assert len(findings) == 4_999
