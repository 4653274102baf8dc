"""`tidemill execution`: list executions, and show one as a tree of what it did."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Column, Table

from tidemill.cli.client import DEFAULT_URL, ApiClient, AsJson, Token, Url
from tidemill.cli.execution_tree import execution_tree, styled

execution = typer.Typer(help="Executions of workflows.", no_args_is_help=True)


@execution.command("show")
def show(
    execution_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the execution")],
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Show what an execution did: its tasks with their times, attempts and errors; branches, iterations and children
    inside."""
    found = ApiClient(url, token).get(f"/api/tidemill/executions/{quote(execution_id, safe='')}")
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        Console(highlight=False).print(execution_tree(found))


@execution.command("list")
def list_executions(
    workflow: Annotated[str, typer.Option(help="Of this workflow only")] = "",
    status: Annotated[str, typer.Option(help="In this status only, or in several joined by commas")] = "",
    count: Annotated[int, typer.Option(help="How many at most", min=1, max=1_000)] = 20,
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """List executions, the newest first."""
    conditions = [f"workflowType = {json.dumps(workflow)}"] if workflow else []
    conditions += [f"status IN ({status})"] if status else []
    query = " AND ".join(conditions)
    found = ApiClient(url, token).get("/api/workflow/search", query=query, size=count, sort="startTime:DESC")
    if as_json:
        print(json.dumps(found, indent=2))
        return
    Console(highlight=False).print(table_of(found["results"]))


def table_of(executions: Sequence[Mapping[str, Any]]) -> Table:
    """As the search answers them. An id is never cut off: it is what `show` is asked for."""
    table = Table(Column("id", no_wrap=True, min_width=36), "workflow", "status", "started", "reason", box=None)
    for row in executions:
        name = f"{row['workflowType']} {row['version']}"
        reason = styled(row.get("reasonForIncompletion") or "")
        table.add_row(row["workflowId"], styled(name), styled(row["status"]), row["startTime"], reason)
    return table
