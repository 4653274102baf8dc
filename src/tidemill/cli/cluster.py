"""Where the commands that talk to Kafka itself find it: by an integration's name, or by its address."""

from __future__ import annotations

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


def settings_of(cluster: str, url: str, token: str) -> dict[str, Any]:
    """For a client of librdkafka. Names of integrations have no colon, addresses do. Ends the command where there is
    no way to it."""
    address = cluster
    if ":" not in cluster:
        reached = ApiClient(url, token).post(f"/api/tidemill/integrations/{quote(cluster, safe='')}/test")
        address = reached.get("address")
        if not address:
            fail(f"The integration {cluster} has no address: {reached.get('message', reached)}")
    return {"bootstrap.servers": address, "log_level": 0}


@contextmanager
def plainly() -> Iterator[None]:
    """What Kafka refuses is one sentence."""
    try:
        yield
    except KafkaException as error:
        fail(error.args[0].str())
