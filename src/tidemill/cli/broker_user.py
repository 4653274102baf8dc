"""`tidemill broker-user`: who may log in to a broker that asks for it. Changes count at the next login."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from tidemill.cli.broker import DEFAULT_DATA, Data
from tidemill.cli.failure import fail
from tidemill.core.errors import TidemillError

broker_user = typer.Typer(help="The users of a broker that listens beyond this machine.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the user")]


@broker_user.command("add")
def add(
    name: Name,
    data: Data = DEFAULT_DATA,
    password: Annotated[
        str | None,
        typer.Option(
            envvar="TIDEMILL_BROKER_PASSWORD", help="Asked for, or read from stdin, if not given; others see arguments"
        ),
    ] = None,
) -> None:
    """Add a user, for PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512."""
    given = password if password is not None else _asked()
    with _plainly():
        from tidemill.broker.security.users import Users

        Users(data).add(name, given)


@broker_user.command("remove")
def remove(name: Name, data: Data = DEFAULT_DATA) -> None:
    """Remove a user. Connections that are open stay open."""
    with _plainly():
        from tidemill.broker.security.users import Users

        Users(data).remove(name)


@broker_user.command("list")
def list_users(data: Data = DEFAULT_DATA) -> None:
    """Print the users, one a line."""
    with _plainly():
        from tidemill.broker.security.users import Users

        for name in Users(data).names():
            typer.echo(name)


def _asked() -> str:
    if sys.stdin.isatty():
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return asked
    return sys.stdin.readline().rstrip("\n")


@contextmanager
def _plainly() -> Iterator[None]:
    try:
        yield
    except TidemillError as error:
        fail(str(error))
    except OSError as error:
        fail(f"The file of users cannot be used: {error}")
