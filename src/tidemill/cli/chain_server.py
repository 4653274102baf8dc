"""`tidemill chain list`, `show`, `save` and `debug`: the rule chains of a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from tidemill.cli.client import DEFAULT_URL, ApiClient, AsJson, Token, Url
from tidemill.cli.failure import fail
from tidemill.core.clock import SystemClock

CANNOT_RUN = 2
FOLLOW_S = 1.0

ChainId = Annotated[str, typer.Argument(metavar="ID", help="Id of the chain")]
Found = Mapping[str, Any]


def list_chains(url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False) -> None:
    """List the chains, and what keeps those that cannot run from running."""
    with closing(ApiClient(url, token)) as client:
        found = client.get("/api/tidemill/rules")
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        Console(highlight=False).print(table_of(found))


def show(chain: ChainId, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Print a chain, as it was saved."""
    with closing(ApiClient(url, token)) as client:
        found = client.get(f"/api/v1/rules/{quote(chain, safe='')}")
    print(json.dumps(found, indent=2, ensure_ascii=False))


def save(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A rule chain, as RuleGo writes it")],
    chain: Annotated[str | None, typer.Option("--id", help="Its id; else the one in it, else the file's name")] = None,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """Save a chain, which is at work at once. Says what is wrong with it; code 2 where it cannot run."""
    try:
        document = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        fail(f"{file} cannot be read: {error}")
    id_ = chain or _own_id(document) or file.stem
    with closing(ApiClient(url, token)) as client:
        saved = client.post(f"/api/v1/rules/{quote(id_, safe='')}", document)
    for finding in saved["findings"]:
        print(finding_line(finding))
    print(f"{id_}: saved{'' if saved['isAvailable'] else ', and cannot run'}")
    if not saved["isAvailable"]:
        raise typer.Exit(CANNOT_RUN)


def debug(
    chain: ChainId,
    switch: Annotated[bool | None, typer.Option("--on/--off", help="Switch debug mode by saving the chain")] = None,
    node: Annotated[list[str] | None, typer.Option(help="Of this node only, as often as wanted")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing, until Ctrl-C")] = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Print what went in and out of the nodes of a chain in debug mode, and the lines of its log nodes. Debug mode ends
    by itself half an hour after it was switched on. A process of several shows its own only. With --on or --off, prints
    only until when it is on, unless it is to follow."""
    path = f"/api/tidemill/rules/{quote(chain, safe='')}/debug"
    with closing(ApiClient(url, token)) as client:
        if switch is not None:
            client.post(path, {"on": switch, "nodes": node or None})
            if not follow:
                _print_switched(client, path, chain, as_json)
                return
        after, is_on = _print_entries(client, path, 0, node or (), as_json)
        while follow:
            asyncio.run(SystemClock().sleep(FOLLOW_S))
            after, is_on = _print_entries(client, path, after, node or (), as_json)
    if not is_on and not as_json:
        typer.echo(f"{chain} is not in debug mode: --on switches it on", err=True)


def _print_switched(client: ApiClient, path: str, chain: str, as_json: bool) -> None:
    until_ms = client.get(path, limit=1)["until"]
    if as_json:
        print(json.dumps({"until": until_ms}))
    elif until_ms is None:
        print(f"{chain}: debug mode is off")
    else:
        until = datetime.fromtimestamp(until_ms / 1000, UTC)
        print(f"{chain}: debug mode is on until {until:%H:%M:%S} UTC")


def _print_entries(client: ApiClient, path: str, after: int, nodes: Collection[str], as_json: bool) -> tuple[int, bool]:
    """The number of the last one, and whether more may come."""
    found = client.get(path, after=after, limit=1_000)
    for entry in found["items"]:
        after = entry["number"]
        if not nodes or entry["node"] in nodes:
            print(json.dumps(entry) if as_json else entry_line(entry), flush=True)
    return after, found["until"] is not None


def table_of(chains: Sequence[Found]) -> Table:
    table = Table(Column("id", no_wrap=True), "name", "state", "save", "by", "finding", box=None)
    for row in chains:
        errors = [finding for finding in row["findings"] if finding["level"] == "error"]
        state = "disabled" if row["isDisabled"] else "at work" if row["isAvailable"] else "cannot run"
        first = finding_line(errors[0]) if errors and not row["isDisabled"] else ""
        cells = (row["id"], row["name"], state, str(row["save"]), row["author"], first)
        table.add_row(*map(escape, cells))
    return table


def finding_line(finding: Found) -> str:
    at = f" (line {finding['line']}, column {finding['column']})" if "line" in finding else ""
    return f"{finding['level']}: {finding['path']}: {finding['message']}{at}"


def entry_line(entry: Found) -> str:
    """`12:03:04.005 temperature Out True {"n": 1}`"""
    at = datetime.fromtimestamp(entry["at"] / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
    said = entry.get("line") if entry["flow"] == "Log" else entry["message"]["data"]
    error = f"  error: {entry['error']}" if "error" in entry and entry["flow"] == "Out" else ""
    words = [at, entry["node"], entry["flow"], entry.get("relation", ""), str(said)]
    return " ".join(word for word in words if word) + error


def _own_id(document: Any) -> str | None:
    about = document.get("ruleChain") if isinstance(document, dict) else None
    id_ = about.get("id") if isinstance(about, dict) else None
    return id_ if isinstance(id_, str) and id_ else None
