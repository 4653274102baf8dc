"""A record's way through a rule chain, as people read it."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from tidemill.cli.trace import trace_tree


def shown(detail: dict[str, Any]) -> str:
    route = {"route": "endpoint:c:in:r", "outcome": "invalid", "reason": "b: no", "detail": detail}
    record = {"integration": "shop", "topic": "t", "partition": 0, "offset": 7}
    more: dict[str, Any] = {"executions": [], "deadLetter": None}
    found = {"record": record, "summary": "said", "routes": [{**route, **more}], "groups": []}
    console = Console(width=200, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(trace_tree(found))
    return capture.get()


def test_the_ways_through_a_chain() -> None:
    ends = [
        {"way": [["a", "True"], ["b", "Failure"]], "error": "no [red]"},
        {"way": [["a", "True"], ["c", "Success"]]},
    ]
    lines = shown({"ends": ends, "published": ["shop:out"]}).splitlines()
    assert [line.strip("│├└─ ") for line in lines[2:]] == [
        "a True → b Failure: no [red]",
        "a True → c Success",
        "published to shop:out",
    ]
