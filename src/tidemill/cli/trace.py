"""`tidemill trace`: what happened to one record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from tidemill.cli.client import DEFAULT_URL, ApiClient, AsJson, Token, Url

Found = Mapping[str, Any]

_PLACE = ("integration", "topic", "partition", "offset")


def trace(
    integration: Annotated[str, typer.Argument(help="Name of the integration")],
    topic: Annotated[str, typer.Argument()],
    partition: Annotated[int, typer.Argument()],
    offset: Annotated[int, typer.Argument()],
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Show which handlers and endpoints saw a record, what they made of it, and where what it caused went."""
    path = f"/api/tidemill/trace/{quote(integration, safe='')}/{quote(topic, safe='')}/{partition}/{offset}"
    found = ApiClient(url, token).get(path)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        Console(highlight=False).print(trace_tree(found))


def trace_tree(found: Found) -> Tree:
    """The API's answer as a tree: record → handler with its condition → execution → published record; or record →
    endpoint → which way the message went through the chain, and to which topics."""
    record = found["record"]
    place = " ".join(str(record[name]) for name in _PLACE)
    tree = Tree(f"[bold]record[/bold] {escape(place)}: {escape(found['summary'])}")
    last = {route["route"]: index for index, route in enumerate(found["routes"])}
    for index, route in enumerate(found["routes"]):
        _add_route(tree, route, is_last=last[route["route"]] == index)
    for group in found["groups"]:
        if not group["isRead"]:
            at = "has not begun here" if group["nextOffset"] is None else f"is at offset {group['nextOffset']}"
            tree.add(f"group {escape(group['group'])} {at}")
    return tree


def _add_route(tree: Tree, route: Found, *, is_last: bool) -> None:
    """An attempt that was made again later is one line: the last one has the way."""
    detail = route["detail"]
    condition = f", condition {json.dumps(detail['condition'])}" if "condition" in detail else ""
    reason = f": {route['reason']}" if route["reason"] else ""
    held = f", after a wait at {detail['heldAt']}" if "heldAt" in detail else ""
    times = f" ({route['times']} times)" if route.get("times", 1) > 1 else ""
    branch = tree.add(escape(f"{route['route']}: {route['outcome']}{held}{times}{condition}{reason}"))
    if route["outcome"] == "retry" and not is_last:
        return
    for line in detail.get("logs", ()):
        branch.add(escape(f"console: {line}"))
    for end in detail.get("ends", ()):
        branch.add(escape(_way(end)))
    for wait in detail.get("waits", ()):
        branch.add(escape(f"waits at {wait['node']}"))
    places = route.get("publications", ())
    for place in places:
        branch.add(escape("published record " + " ".join(str(place[name]) for name in _PLACE)))
    for topic in detail.get("published", ()):
        if topic not in {f"{place['integration']}:{place['topic']}" for place in places}:
            branch.add(escape(f"published to {topic}"))
    for execution in route["executions"]:
        _add_execution(branch, execution)
    if route["deadLetter"]:
        letter = route["deadLetter"]
        branch.add(escape(f"dead letter {letter['id']} ({letter['state']})"))


def _way(end: Found) -> str:
    """`filter True → transform Failure: why`"""
    hops = " → ".join(f"{node} {relation}" for node, relation in end["way"])
    return f"{hops}: {end['error']}" if "error" in end else hops


def _add_execution(branch: Tree, execution: Found) -> None:
    if execution["status"] is None:
        branch.add(escape(f"execution {execution['workflowId']}: no longer on file"))
        return
    name = f"{execution['workflowType']} {execution['version']}"
    reason = f": {execution['reason']}" if execution["reason"] else ""
    node = branch.add(escape(f"execution {execution['workflowId']} of {name}: {execution['status']}{reason}"))
    for task in execution["tasks"]:
        node.add(escape(_task_line(task)))


def _task_line(task: Found) -> str:
    line = f"{task['ref']}: {task['status']}" + (f": {task['reason']}" if task["reason"] else "")
    publication = task.get("publication")
    if publication is None:
        return line
    where = " ".join(str(publication[name]) for name in _PLACE)
    return f"{line} → record {where}"
