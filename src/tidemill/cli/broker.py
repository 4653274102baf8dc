"""`tidemill broker`: the embedded broker alone, in this process, until a signal stops it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

import tidemill.core.logs  # noqa: F401 - the first of ours: see there
from tidemill.cli.failure import fail
from tidemill.core.errors import TidemillError
from tidemill.core.logs import configure_logs

Data = Annotated[Path, typer.Option(help="Folder for topics, groups and users")]
DEFAULT_DATA = Path("tidemill-broker")


def broker(
    data: Data = DEFAULT_DATA,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond this machine only with SASL and TLS")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one, and the same one next time")] = 9092,
    advertised_host: Annotated[
        str | None, typer.Option(help="What clients are told to connect to, if it is not --host")
    ] = None,
    sasl: Annotated[bool, typer.Option("--sasl", help="Clients log in; see `tidemill broker-user`")] = False,
    certificate: Annotated[Path | None, typer.Option(help="PEM file: all connections are TLS")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file with the certificate's key")] = None,
    fsync: Annotated[
        str, typer.Option(help="When records are safe from a power cut: never, interval or always")
    ] = "interval",
    fsync_interval_ms: Annotated[int, typer.Option(min=1, help="For --fsync interval")] = 50,
    partitions: Annotated[int, typer.Option(min=1, help="Of a topic that is created by being mentioned")] = 1,
    auto_create: Annotated[bool, typer.Option(help="Create a topic when it is first mentioned")] = True,
    log_format: Annotated[str, typer.Option(help="text or json")] = "text",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
) -> None:
    """Serve Kafka's protocol from a folder, for any Kafka client, until SIGTERM or Ctrl-C."""
    _check("--fsync", fsync, ("never", "interval", "always"))
    _check("--log-format", log_format, ("text", "json"))
    _check("--log-level", log_level, ("debug", "info", "warning", "error"))
    configure_logs(log_format, log_level)
    given = {
        "data": data,
        "host": host,
        "port": port,
        "advertised_host": advertised_host,
        "authentication": sasl,
        "certificate": certificate,
        "key": key,
        "fsync": fsync,
        "fsync_interval_ms": fsync_interval_ms,
        "num_partitions": partitions,
        "auto_create_topics": auto_create,
    }
    try:
        is_clean = _run(given)
    except TidemillError as error:
        fail(f"The broker cannot start: {error}")
    if not is_clean:
        raise typer.Exit(1)


def _check(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        fail(f"{option} is one of {', '.join(known)}, not {value!r}")


def _run(given: dict[str, Any]) -> bool:
    # Not at the top: other commands need not wait for the broker to be imported.
    import uvloop

    from tidemill.broker.child import tune_process
    from tidemill.broker.settings import BrokerSettings, Fsync

    settings = BrokerSettings(**{**given, "fsync": Fsync(given["fsync"])})
    tune_process()
    return uvloop.run(_serve(settings))


async def _serve(settings: Any) -> bool:
    """Whether somebody asked for the end, and not a part that died."""
    from tidemill.broker.broker import Broker
    from tidemill.core.signals import stop_on_signal

    stop = stop_on_signal()
    dead: list[str] = []

    def died(name: str, _error: BaseException) -> None:
        dead.append(name)
        stop.set()

    broker = Broker(settings, on_death=died)
    await broker.start()
    typer.echo(f"A Kafka broker listens on {broker.address}; its data is in {settings.data}. Ctrl-C stops it.")
    await asyncio.sleep(0)
    await stop.wait()
    await broker.stop()
    return not dead
