"""A rule chain alone as the route: whatever dies, each record's publication and response come out once, in order.
Beside a workflow it is in `test_kills.py`, `test_restarts.py` and `test_zombie.py`, and alone on PostgreSQL in
`test_crash_points.py`.
"""

from __future__ import annotations

import time

import pytest
from confluent_kafka.admin import AdminClient

from tests.faults.pipelines import chaining
from tests.faults.rig import SQLITE, Feed, Rig, check, send_all
from tidemill.core.faults import Point

EDITS = 10


@pytest.fixture
def chained(rig: Rig) -> Rig:
    rig.use(chaining(rig.integration, rig.topic_in, rig.topic_out))
    return rig


@pytest.mark.parametrize("parts", [SQLITE[1]], indirect=True)
@pytest.mark.parametrize("point", ["before_commit", "after_kafka_commit"])
def test_crash_at(chained: Rig, point: Point) -> None:
    doomed = chained.start(faults=f"{point}:kill:2")
    chained.load(doomed)
    count = send_all(chained, 400)
    assert doomed.wait(60) == -9, f"{point} was never reached"
    check(chained, chained.start(), count)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("parts", [SQLITE[0]], indirect=True)
def test_edited_under_load_while_kafka_is_killed(chained: Rig) -> None:
    """Each edit counts from a batch on, nothing is lost or repeated, and the consumer is the same all the time."""
    server = chained.start()
    chained.load(server)
    feed = Feed(chained, 200)
    time.sleep(1)
    member = _member(chained)
    for edit in range(EDITS):
        chained.save_chain(server, chaining(chained.integration, chained.topic_in, chained.topic_out, f"edit {edit}"))
        time.sleep(0.2)
    assert _member(chained) == member
    chained.kafka.kill()
    time.sleep(1)
    chained.kafka.start()
    time.sleep(1)
    check(chained, server, feed.stop())


def _member(rig: Rig) -> str:
    """The id that Kafka gave the only consumer of the endpoint's group when it joined."""
    admin = AdminClient({"bootstrap.servers": rig.kafka.address, "log_level": 0})
    (group,) = [future.result() for future in admin.describe_consumer_groups([rig.topic_in]).values()]
    (member,) = group.members
    return str(member.member_id)
