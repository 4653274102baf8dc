"""Kafka and PostgreSQL restarted under load, politely and not: the same sums, and it goes on by itself. A workflow and
a rule chain get each record.
"""

from __future__ import annotations

import time

import pytest

from tests.faults.pipelines import branching
from tests.faults.rig import POSTGRES, SQLITE, Feed, Rig, check
from tests.faults.service import EchoService
from tests.parts.postgres import Postgres


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", ["term", "kill"])
def test_kafka_restarted(rig: Rig, how: str) -> None:
    rig.add_chain()
    server = rig.start()
    rig.load(server)
    feed = Feed(rig, 200)
    time.sleep(2)
    rig.kafka.stop() if how == "term" else rig.kafka.kill()
    time.sleep(2)
    rig.kafka.start()
    time.sleep(3)
    check(rig, server, feed.stop())


@pytest.mark.parametrize("parts", POSTGRES, indirect=True)
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_postgres_restarted(rig: Rig, postgres: Postgres, how: str) -> None:
    rig.add_chain()
    server = rig.start()
    rig.load(server)
    feed = Feed(rig, 200)
    time.sleep(2)
    postgres.stop() if how == "stop" else postgres.kill()
    time.sleep(3)
    postgres.start()
    time.sleep(2)
    check(rig, server, feed.stop())


@pytest.mark.timeout(240)
@pytest.mark.parametrize("parts", [SQLITE[0], *POSTGRES], indirect=True)
def test_kafka_killed_among_branches(rig: Rig) -> None:
    """With forks, joins, sub-workflows and calls between the borders."""
    with EchoService() as service:
        rig.use(branching(rig.integration, rig.topic_out, service.url))
        server = rig.start()
        rig.load(server)
        feed = Feed(rig, 50)
        time.sleep(2)
        rig.kafka.kill()
        time.sleep(2)
        rig.kafka.start()
        time.sleep(3)
        check(rig, server, feed.stop())


@pytest.mark.timeout(240)
@pytest.mark.parametrize("parts", POSTGRES, indirect=True)
def test_postgres_killed_among_branches(rig: Rig, postgres: Postgres) -> None:
    with EchoService() as service:
        rig.use(branching(rig.integration, rig.topic_out, service.url))
        server = rig.start()
        rig.load(server)
        feed = Feed(rig, 50)
        time.sleep(2)
        postgres.kill()
        time.sleep(3)
        postgres.start()
        time.sleep(2)
        check(rig, server, feed.stop())
