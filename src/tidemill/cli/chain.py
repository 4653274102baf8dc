"""`tidemill chain`: rule chains tried and checked as files, without any server; and those of a server."""

from __future__ import annotations

import typer

from tidemill.cli.chain_files import check, run
from tidemill.cli.chain_server import debug, list_chains, save, show

chain = typer.Typer(help="Rule chains: try and check files, or work with those of a server.", no_args_is_help=True)
chain.command("run")(run)
chain.command("check")(check)
chain.command("list")(list_chains)
chain.command("show")(show)
chain.command("save")(save)
chain.command("debug")(debug)
