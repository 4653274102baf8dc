"""An execution as people read it."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from tidemill.cli.execution_tree import duration, execution_tree


def task(seq: int, ref: str, status: str = "COMPLETED", **fields: Any) -> dict[str, Any]:
    shown = {"taskId": f"x.{seq}", "seq": seq, "ref": ref, "type": "SIMPLE", "status": status, "reason": None}
    times = {"startTime": 1_000, "endTime": 3_500}
    return {**shown, **times, "retriedTaskId": None, "path": "", "worker": None, "childId": None, **fields}


def execution(*tasks: dict[str, Any], execution_id: str = "x", **fields: Any) -> dict[str, Any]:
    shown = {"workflowId": execution_id, "workflowType": "pick", "version": 2, "status": "COMPLETED", "reason": None}
    return {**shown, "startTime": 1_000, "endTime": 62_000, "tasks": list(tasks), "tasksOmitted": 0, **fields}


def lines(found: dict[str, Any]) -> list[str]:
    console = Console(width=200, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(execution_tree(found))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_tasks_with_times_workers_and_where_their_records_went() -> None:
    where = {"integration": "shop", "topic": "out", "partition": 3, "offset": 42}
    found = execution(task(1, "pack", worker="w1"), task(2, "send", type="EVENT", publication=where))
    assert lines(found) == [
        "execution x of pick 2: COMPLETED  1 min 1 s",
        "├── pack (SIMPLE): COMPLETED  2.5 s, worker w1",
        "└── send (EVENT): COMPLETED  2.5 s, → record shop out 3 42",
    ]


def test_attempts_and_errors() -> None:
    found = execution(
        task(1, "pack", "FAILED", reason="no [tape]"),
        task(2, "pack", "FAILED", reason="no box", retriedTaskId="x.1"),
        task(3, "pack", "IN_PROGRESS", retriedTaskId="x.2", endTime=0),
        status="RUNNING",
        endTime=0,
    )
    assert lines(found) == [
        "execution x of pick 2: RUNNING",
        "└── pack (SIMPLE): IN_PROGRESS  attempt 3",
        "    ├── attempt 1: FAILED  2.5 s: no [tape]",
        "    └── attempt 2: FAILED  2.5 s: no box",
    ]


def test_branches_and_iterations_are_inside_what_they_hang_on() -> None:
    found = execution(
        task(1, "both", type="FORK_JOIN"),
        task(2, "again", type="DO_WHILE", path="1.0"),
        task(3, "right", path="1.1"),
        task(4, "join", type="JOIN"),
        task(5, "body", path="1.0/2.1"),
        task(6, "body", path="1.0/2.2"),
    )
    assert lines(found)[1:] == [
        "├── both (FORK_JOIN): COMPLETED  2.5 s",
        "│   ├── branch 0",
        "│   │   └── again (DO_WHILE): COMPLETED  2.5 s",
        "│   │       ├── iteration 1",
        "│   │       │   └── body (SIMPLE): COMPLETED  2.5 s",
        "│   │       └── iteration 2",
        "│   │           └── body (SIMPLE): COMPLETED  2.5 s",
        "│   └── branch 1",
        "│       └── right (SIMPLE): COMPLETED  2.5 s",
        "└── join (JOIN): COMPLETED  2.5 s",
    ]


def test_children_are_inside_the_task_that_started_them() -> None:
    child = execution(task(1, "in", "FAILED", reason="no"), execution_id="y", status="FAILED", reason="task in failed")
    found = execution(
        task(1, "sub", type="SUB_WORKFLOW", childId="y", child=child),
        task(2, "gone", type="SUB_WORKFLOW", childId="z", child=None),
    )
    assert lines(found)[1:] == [
        "├── sub (SUB_WORKFLOW): COMPLETED  2.5 s",
        "│   └── execution y of pick 2: FAILED  1 min 1 s: task in failed",
        "│       └── in (SIMPLE): FAILED  2.5 s: no",
        "└── gone (SUB_WORKFLOW): COMPLETED  2.5 s",
        "    └── execution z",
    ]


def test_earlier_tasks_that_are_not_shown() -> None:
    found = execution(task(9, "body", path="7.3"), tasksOmitted=8)
    assert lines(found)[1:] == ["├── (8 earlier tasks)", "└── branch 3", "    └── body (SIMPLE): COMPLETED  2.5 s"]


@pytest.mark.parametrize(
    ("span_ms", "text"),
    [
        (0, "0 ms"),
        (-5, "0 ms"),
        (999, "999 ms"),
        (1_500, "1.5 s"),
        (60_000, "1 min 0 s"),
        (3_600_000, "1 h 0 min"),
        (90_000_000, "1 d 1 h"),
    ],
)
def test_durations(span_ms: int, text: str) -> None:
    assert duration(span_ms) == text
