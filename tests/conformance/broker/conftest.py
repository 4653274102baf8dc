"""One suite, two brokers: each test runs on Apache Kafka and on the embedded broker.

Apache Kafka is the truth. What the embedded broker does not serve yet is in `NOT_SERVED`, what it will always do
otherwise in `DIFFERENCES`; nothing else may tell the two apart.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.broker.room import Room
from tests.conformance.broker.tools import Tools
from tests.parts.kafka import KafkaServer, kafka_jars
from tidemill.broker import running

# Areas (`test_<area>.py`) or single tests (`area::test_name`) that the embedded broker cannot pass yet.
# To try them all the same: TIDEMILL_CONFORMANCE=all.
NOT_SERVED: set[str] = set()

# `area::test_name` to the reason. Such a test must fail on the embedded broker: a difference that is gone is struck.
DIFFERENCES: dict[str, str] = {}

# Apache Kafka with what the tests of a conforming broker need: topics on first use, and clocks that run fast enough.
SETTINGS = {
    "auto.create.topics.enable": "true",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "room" not in metafunc.fixturenames:
        return
    area = metafunc.module.__name__.rpartition(".test_")[2]
    name = f"{area}::{metafunc.function.__name__}"
    params = [pytest.param("apache", marks=pytest.mark.kafka)]
    if name in DIFFERENCES:
        params.append(pytest.param("embedded", marks=pytest.mark.xfail(reason=DIFFERENCES[name])))
    elif not {area, name} & NOT_SERVED or os.environ.get("TIDEMILL_CONFORMANCE") == "all":
        params.append(pytest.param("embedded"))
    metafunc.parametrize("broker_name", params, scope="session")


@pytest.fixture(scope="package")
def apache_address() -> Iterator[str]:
    """A node of this suite's own: the shared one refuses unknown topics, and other tests count on that."""
    server = KafkaServer(kafka_jars(), SETTINGS)
    try:
        server.start()
        yield server.address
    finally:
        server.close()


@pytest.fixture(scope="package")
def embedded_address() -> Iterator[str]:
    with running(group_min_session_timeout_ms=1_000) as address:
        yield address


@pytest.fixture(scope="session")
def broker_name() -> str:
    """Set for every test by `pytest_generate_tests`."""
    raise NotImplementedError


@pytest.fixture
def room(request: pytest.FixtureRequest, broker_name: str) -> Iterator[Room]:
    """A broker with topics, groups and clients of this test only."""
    room = Room(request.getfixturevalue(f"{broker_name}_address"))
    yield room
    room.close()


@pytest.fixture(scope="session")
def class_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("java") / "tools.jsa"


@pytest.fixture
def tools(room: Room, class_archive: Path) -> Tools:
    """Apache Kafka's command line tools, set to the room's broker."""
    return Tools(kafka_jars(), room.address, class_archive)
