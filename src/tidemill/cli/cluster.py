"""Where the commands that talk to Kafka itself find it: by an integration's name, or by its address."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import quote

import typer
from confluent_kafka import KafkaException

from tidemill.cli.client import ApiClient
from tidemill.cli.failure import fail

Cluster = Annotated[str, typer.Argument(metavar="CLUSTER", help="Name of an integration, or host:port of a broker")]
ASK_TIMEOUT_S = 20.0
_SECRETS = {
    "sasl.password": ("TIDEMILL_KAFKA_PASSWORD", "password"),
    "ssl.key.pem": ("TIDEMILL_KAFKA_KEY", "client key"),
    "ssl.key.password": ("TIDEMILL_KAFKA_KEY_PASSWORD", "password of the client key"),
}
"""Settings of librdkafka, and the variables that they are taken from."""


def settings_of(cluster: str, url: str, token: str) -> dict[str, Any]:
    """For a client of librdkafka. Names of integrations have no colon, addresses do. Ends the command where there is
    no way to it."""
    if ":" in cluster:
        return {"bootstrap.servers": cluster, "log_level": 0}
    reached = ApiClient(url, token).post(f"/api/tidemill/integrations/{quote(cluster, safe='')}/test")
    if not reached.get("address"):
        fail(f"The integration {cluster} has no address: {reached.get('message', reached)}")
    given = {name: _secret(cluster, name) for name in reached["secrets"]}
    return {**reached["settings"], **given, "log_level": 0}


def _secret(cluster: str, name: str) -> str:
    """The server tells nobody's: whoever asks must know it, too."""
    variable, what = _SECRETS[name]
    found = os.environ.get(variable)
    if not found and sys.stdin.isatty():
        found = typer.prompt(f"{what} of {cluster}", hide_input=True, err=True)
    if not found:
        fail(f"The integration {cluster} has a {what}, which the server tells nobody: give it in {variable}")
    return str(found)


@contextmanager
def plainly() -> Iterator[None]:
    """What Kafka refuses is one sentence."""
    try:
        yield
    except KafkaException as error:
        fail(error.args[0].str())
