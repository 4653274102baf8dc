"""Kafka and PostgreSQL restarted under load, politely and not: the same sums, and it goes on by itself."""

from __future__ import annotations

import time

import pytest

from tests.faults.rig import POSTGRES, Feed, Rig, check
from tests.parts.postgres import Postgres


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", ["term", "kill"])
def test_kafka_restarted(rig: Rig, how: str) -> None:
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
    server = rig.start()
    rig.load(server)
    feed = Feed(rig, 200)
    time.sleep(2)
    postgres.stop() if how == "stop" else postgres.kill()
    time.sleep(3)
    postgres.start()
    time.sleep(2)
    check(rig, server, feed.stop())
