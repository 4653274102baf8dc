"""A list of executions as people read it."""

from __future__ import annotations

import pytest
from rich.console import Console

from tidemill.cli.execution import table_of


@pytest.mark.parametrize("width", [80, 200])
def test_ids_are_whole_however_narrow_the_terminal_is(width: int) -> None:
    execution_id = "01a1ff36-ebe9-7c3d-a111-0123456789ab"
    shown = {"workflowId": execution_id, "workflowType": "pick-and-pack-orders", "version": 12, "status": "FAILED"}
    reason = "the execution would take 11,000,821 bytes; 10,485,760 is the limit"
    row = {**shown, "startTime": "2026-11-21T17:43:38.011Z", "reasonForIncompletion": reason}
    console = Console(width=width, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(table_of([row]))
    assert execution_id in capture.get()
