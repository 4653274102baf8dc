"""Chains of a server as people read them."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from tidemill.cli.chain_server import entry_line, finding_line, table_of


def shown(*rows: dict[str, Any]) -> list[str]:
    console = Console(width=200, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(table_of(rows))
    return capture.get().splitlines()[1:]


def row(**more: Any) -> dict[str, Any]:
    known = {"id": "c", "name": "[bold]x", "isAvailable": True, "isDisabled": False, "save": 3, "author": "anna"}
    return {**known, "findings": [], **more}


def test_chains_that_cannot_run_say_why() -> None:
    error = {"level": "error", "path": "metadata.nodes[0].type", "message": "there is no node type 'x'"}
    warning = {"level": "warning", "path": "a", "message": "odd"}
    (line,) = shown(row(isAvailable=False, findings=[warning, error]))
    assert "cannot run" in line
    assert "error: metadata.nodes[0].type: there is no node type 'x'" in line
    assert "[bold]x" in line


def test_disabled_is_no_error() -> None:
    error = {"level": "error", "path": "ruleChain.disabled", "message": "the chain is disabled"}
    (line,) = shown(row(isAvailable=False, isDisabled=True, findings=[error]))
    assert line.split() == ["c", "[bold]x", "disabled", "3", "anna"]
    assert "at work" in shown(row())[0]


def test_a_finding_with_its_place() -> None:
    finding = {"level": "error", "path": "p", "message": "no", "line": 2, "column": 7}
    assert finding_line(finding) == "error: p: no (line 2, column 7)"


def test_entries_as_lines() -> None:
    entry = {"at": 43_384_005, "node": "n", "message": {"data": '{"n":1}'}}
    assert entry_line({**entry, "flow": "In"}) == '12:03:04.005 n In {"n":1}'
    told = {**entry, "flow": "Out", "relation": "Failure", "error": "away"}
    assert entry_line(told) == '12:03:04.005 n Out Failure {"n":1}  error: away'
    assert entry_line({**entry, "flow": "Log", "line": "cold"}) == "12:03:04.005 n Log cold"
