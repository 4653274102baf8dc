"""The `tidemill` command. Each command is thin: it reads options, calls, prints."""

from __future__ import annotations

import typer

from tidemill import __version__
from tidemill.cli import broker, broker_user, consume, demo, produce, serve, topics, trace

app = typer.Typer(
    help="Kafka topics at work: records start and steer workflows, exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("serve")(serve.serve)
app.command("broker")(broker.broker)
app.add_typer(broker_user.users, name="broker-user")
app.command("demo")(demo.demo)
app.command("trace")(trace.trace)
app.command("produce")(produce.produce)
app.command("consume")(consume.consume)
app.add_typer(topics.topics, name="topics")


@app.command("version")
def version() -> None:
    """Print the version."""
    print(__version__)
