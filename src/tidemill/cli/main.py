"""The `tidemill` command. Each command is thin: it reads options, calls, prints.

Only the module of the command that was asked for is imported: the broker alone is ready before a Kafka client could be.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from tidemill import __version__

COMMANDS = ("serve", "broker", "broker-user", "demo", "trace", "execution", "produce", "consume", "topics", "chain")
"""Each is a module of this package; what is named like it there is the command, or a group of them."""


def app() -> None:
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    command_line(_needed(asked))()


def _needed(asked: str) -> Sequence[str]:
    if asked == "version":
        return ()
    return (asked,) if asked in COMMANDS else COMMANDS


def command_line(names: Sequence[str]) -> typer.Typer:
    """With these commands only."""
    found = typer.Typer(
        help="Kafka topics at work: records start and steer workflows, exactly once.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    for name in names:
        module = name.replace("-", "_")
        command = getattr(import_module(f"tidemill.cli.{module}"), module)
        if isinstance(command, typer.Typer):
            found.add_typer(command, name=name)
        else:
            found.command(name)(command)
    found.command("version")(version)
    found.callback()(_nothing)  # one command alone would be called without its name
    return found


def version() -> None:
    """Print the version."""
    print(__version__)


def _nothing() -> None:
    return None
