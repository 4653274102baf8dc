"""`tidemill chain run` and `check`: files of rule chains in this process. Nothing is stored or published, but
nodes that call somebody, such as a web service, do call.

What is asked for goes to standard output, one JSON line each; what else there is to say goes to standard error.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from tidemill.cli.failure import fail
from tidemill.core.clock import SystemClock
from tidemill.core.codec import broken_utf8, to_json
from tidemill.core.errors import BadInput, TidemillError
from tidemill.core.findings import Finding, errors
from tidemill.core.logs import configure_logs
from tidemill.core.settings import Settings
from tidemill.graph.message import Message
from tidemill.rules.given import read_message
from tidemill.rules.shown.views import effect_json, end_json, message_json
from tidemill.rules.trial import Trial, Tried
from tidemill.server.trial import open_trial

CANNOT_RUN = 2
"""The exit code where a definition cannot run."""

ChainFile = Annotated[Path, typer.Argument(metavar="FILE", help="A rule chain, as RuleGo writes it; - is stdin")]
Others = Annotated[list[Path] | None, typer.Option("--with", metavar="FILE", help="Another chain that it may call")]


def run(
    file: ChainFile,
    msg: Annotated[
        Path, typer.Option(metavar="FILE", help="The message: JSON with RuleGo's keys, or just its data; - is stdin")
    ],
    others: Others = None,
    node: Annotated[str | None, typer.Option(help="Where the message comes in; else the chain's first node")] = None,
    message_type: Annotated[str, typer.Option("--type", help="The message's type")] = "",
    metadata: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, as often as wanted")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Also print what goes in and out of each node")] = False,
) -> None:
    """Run a chain over one message and print where each branch of it ended, a JSON line each.

    What it would publish, what it logged and findings are on standard error. A definition that cannot run prints its
    findings and ends with code 2."""
    asyncio.run(_run(file, others or [], msg, node, message_type, metadata or [], is_debug=debug))


def check(file: ChainFile, others: Others = None) -> None:
    """Say all that is wrong with a chain, scripts included; nothing, where all is well. Code 2 where it cannot run."""
    asyncio.run(_check([file, *(others or [])]))


async def _run(
    file: Path,
    others: Sequence[Path],
    given: Path,
    node: str | None,
    message_type: str,
    pairs: Sequence[str],
    *,
    is_debug: bool,
) -> None:
    message = _message(given, message_type, pairs)
    async with _trial() as trial:
        ids = [await _added(trial, path, sys.stderr, is_debug=is_debug) for path in (file, *others)]
        if None in ids:
            raise typer.Exit(CANNOT_RUN)
        try:
            tried = await trial.run(str(ids[0]), message, node)
        except TidemillError as error:
            fail(str(error))
    _print(tried)


async def _check(files: Sequence[Path]) -> None:
    async with _trial() as trial:
        ids = [await _added(trial, path, sys.stdout) for path in files]
    if None in ids:
        raise typer.Exit(CANNOT_RUN)


@asynccontextmanager
async def _trial() -> AsyncIterator[Trial]:
    configure_logs("console", "warning")
    async with AsyncExitStack() as stack:
        yield await open_trial(SystemClock(), stack, Settings().plugin_names)


async def _added(trial: Trial, path: Path, told: TextIO, *, is_debug: bool = False) -> str | None:
    """The chain's id; None where it cannot run. What there is to say is told either way."""
    try:
        id_, findings = await trial.add(_json(path), path.stem, is_debug=is_debug)
    except BadInput as error:
        id_, findings = "", error.findings
    for finding in findings:
        print(f"{path}: {finding.level}: {finding}", file=told)
    return None if errors(findings) else id_


def _json(path: Path) -> Any:
    """Raises `BadInput` with line and column."""
    try:
        return json.loads(_bytes(path))
    except json.JSONDecodeError as error:
        raise BadInput([Finding("", error.msg, "syntax", line=error.lineno, column=error.colno)]) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"is not JSON: {error}") from error


def _message(given: Path, message_type: str, pairs: Sequence[str]) -> Message:
    named = [pair.partition("=") for pair in pairs]
    if not all(name and equals for name, equals, _ in named):
        fail(f"--metadata is NAME=VALUE, not {next(pair for pair in pairs if not pair.partition('=')[1])!r}")
    try:
        metadata = {name: value for name, _, value in named}
        return read_message(_content(_bytes(given)), SystemClock().now_ms(), message_type, metadata)
    except BadInput as error:
        fail(f"{given}: {error}")


def _content(text: bytes) -> bytes:
    """Without the line end that editors and `echo` leave; bytes that are no text stay as they are."""
    return text if broken_utf8(text) else text.removesuffix(b"\n").removesuffix(b"\r")


def _bytes(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}")


def _print(tried: Tried) -> None:
    for logged in tried.logs:
        _line({"log": {"chain": logged.chain, "node": logged.node, "line": logged.line}}, sys.stderr)
    for passed in tried.passed:
        _line({"in": {"chain": passed.chain, "node": passed.node, **message_json(passed.message)}}, sys.stderr)
        for relation, message, error in passed.told:
            said = {"error": error} if error is not None else {}
            _line({"out": {"node": passed.node, "relation": relation, **message_json(message), **said}}, sys.stderr)
    for held in tried.held:
        wait = {"node": held.node, "dueMs": held.hold.due_ms, "publication": held.hold.publication}
        _line({"held": {name: value for name, value in wait.items() if value is not None}}, sys.stderr)
    for effect in tried.effects:
        _line(effect_json(effect), sys.stderr)
    for end in tried.ends:
        _line(end_json(end), sys.stdout)


def _line(value: Any, told: TextIO) -> None:
    print(to_json(value).decode(), file=told)
