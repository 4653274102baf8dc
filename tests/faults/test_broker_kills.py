"""kill -9 of the broker at random moments under load, again and again. `TIDEMILL_BROKER_KILLS` and `TIDEMILL_SEED` set
how many, and which.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.broker_load import Copier, Feed, Reader, Worker, values
from tests.faults.copying import NEVER, PARTITIONS
from tests.parts.broker import BrokerServer
from tests.parts.kafka import KafkaServer, kafka_jars
from tests.parts.server import wait_for
from tidemill.broker.settings import Fsync

KILLS = int(os.environ.get("TIDEMILL_BROKER_KILLS", "100"))
SEED = int(os.environ.get("TIDEMILL_SEED", "20261121"))
PLAIN_PER_S = 2000
COPIED_PER_S = 500
PROGRESS_S = 120.0


@pytest.fixture(params=[Fsync.INTERVAL, Fsync.ALWAYS])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerServer | KafkaServer]:
    """Where acknowledgements wait for the disk, much is written and not acknowledged when it dies, and comes again.
    `TIDEMILL_KILL_APACHE=1` tries the rig on Apache Kafka."""
    is_apache = "TIDEMILL_KILL_APACHE" in os.environ
    server = KafkaServer(kafka_jars()) if is_apache else BrokerServer(tmp_path, fsync=request.param)
    server.start()
    yield server
    server.kill()


@pytest.mark.timeout(400 + 30 * KILLS)
def test_kills(broker: BrokerServer | KafkaServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Half of the kills with each policy."""
    for topic in ("plain", "in", "out"):
        broker.create_topic(topic, PARTITIONS)
    chance = random.Random(SEED)
    plain, source = Feed(broker.address, "plain", PLAIN_PER_S), Feed(broker.address, "in", COPIED_PER_S)
    reader, copier = Reader(broker.address, "plain"), Copier(broker.address, source, "out", SEED)
    workers: list[Worker] = [plain, source, reader, copier]
    for worker in workers:
        worker.start()
    for _ in range(KILLS // 2):
        goes_on(chance.choice(workers), workers)
        time.sleep(chance.uniform(0, 1))
        confirmed = reader.confirmed.copy(), copier.confirmed.copy()
        broker.kill()
        broker.start()
        reader.check(confirmed[0])
        copier.check(confirmed[1])
    for worker in workers:
        worker.end(PROGRESS_S + 180)
    assert [worker.faults for worker in workers] == [[], [], [], []]
    for partition in range(PARTITIONS):
        check_plain(broker.address, plain, partition)
        check_copied(broker.address, source.sent, partition)
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{KILLS // 2} kills, seed {SEED}: {len(plain.places) + len(source.places)} records acknowledged, "
            f"transactions: {dict(copier.outcomes)}, {copier.restarts} times begun anew, "
            f"{copier.aborts} times ended by librdkafka"
        )


def goes_on(worker: Worker, workers: list[Worker]) -> None:
    """Each round another one must have come further, or it would not be killed in mid-load."""
    before = worker.steps
    wait_for(lambda: worker.steps > before or any(one.faults for one in workers), PROGRESS_S)
    assert [one.faults for one in workers] == [[], [], [], []]


def check_plain(address: str, feed: Feed, partition: int) -> None:
    """Nothing acknowledged lost or elsewhere, nothing doubled, order kept."""
    found = values(address, feed.topic, partition, feed.sent)
    assert in_words([value for _, value in found], feed.sent) == "each once, in order"
    assert {number: feed.places[partition, number] for number in range(feed.sent)} == {
        int(value): offset for offset, value in found
    }


def check_copied(address: str, count: int, partition: int) -> None:
    found = [value for _, value in values(address, "out", partition, count)]
    assert not [value for value in found if value.startswith(NEVER)], "what was aborted is visible"
    assert in_words(found, count) == "each once, in order"


def in_words(found: list[bytes], count: int) -> str:
    """What is wrong, short enough to be read."""
    wanted = [b"%d" % number for number in range(count)]
    if found == wanted:
        return "each once, in order"
    lost = sorted(set(wanted) - set(found), key=int)
    at = next((at for at, pair in enumerate(zip(found, wanted, strict=False)) if pair[0] != pair[1]), len(found))
    doubled = len(found) - len(set(found))
    return (
        f"{len(lost)} lost of {count} {lost[:3]}, {doubled} doubled, other than wanted from {at}: {found[at : at + 3]}"
    )
