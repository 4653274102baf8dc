"""A record's way through a rule chain, as people read it."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from tidemill.cli.trace import trace_tree


def shown(detail: dict[str, Any], *attempts: dict[str, Any]) -> str:
    """`attempts` are what was before, and what is otherwise of the last."""
    route = {"route": "endpoint:c:in:r", "outcome": "invalid", "reason": "b: no", "detail": detail}
    record = {"integration": "shop", "topic": "t", "partition": 0, "offset": 7}
    more: dict[str, Any] = {"executions": [], "deadLetter": None}
    found = {"record": record, "summary": "said", "routes": [{**route, **more, **each} for each in attempts or ({},)]}
    found["groups"] = []
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


def test_an_attempt_that_was_made_again_is_one_line_and_records_are_places() -> None:
    ends = {"ends": [{"way": [["a", "Success"]]}], "published": ["shop:out", "shop:gone"]}
    place = {"integration": "shop", "topic": "out", "partition": 0, "offset": 3}
    tries = {"outcome": "retry", "times": 3, "reason": "away"}
    lines = shown(ends, tries, {"outcome": "done", "reason": None, "times": 1, "publications": [place]}).splitlines()
    assert [line.strip("│├└─ ") for line in lines[1:]] == [
        "endpoint:c:in:r: retry (3 times): away",
        "endpoint:c:in:r: done",
        "a Success",
        "published record shop out 0 3",
        "published to shop:gone",
    ]


def test_what_waited_says_where_and_goes_on_from_there() -> None:
    waits: dict[str, Any] = {"detail": {"ends": [], "waits": [{"node": "delay", "untilMs": 7}]}}
    after = {"detail": {"chain": "c", "heldAt": "delay", "ends": [{"way": [["out", "Success"]]}]}}
    lines = shown({}, *({"outcome": "done", "reason": None, **each} for each in (waits, after))).splitlines()
    assert [line.strip("│├└─ ") for line in lines[1:]] == [
        "endpoint:c:in:r: done",
        "waits at delay",
        "endpoint:c:in:r: done, after a wait at delay",
        "out Success",
    ]
