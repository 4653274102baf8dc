"""The process dies at each named place between two writes; its successor makes the sums come out right."""

from __future__ import annotations

from typing import get_args

import pytest

from tests.faults.pipelines import branching, chaining, waiting
from tests.faults.rig import POSTGRES, SQLITE, Rig, check, send_all
from tests.faults.service import EchoService
from tidemill.core.faults import Point

RECORDS = 400
PLACES: list[Point] = [
    "before_commit",
    "after_commit",
    "inside_kafka_transaction",
    "after_kafka_commit",
    "during_rebalance",
]
RESUMING: list[tuple[Point, int]] = [("before_resume_commit", 2), ("after_resume_commit", 2)]
"""Only where messages of rule chains wait."""


@pytest.mark.parametrize("parts", [SQLITE[0]], indirect=True)
@pytest.mark.parametrize("point", PLACES)
def test_crash_at(rig: Rig, point: Point) -> None:
    """The first time that it gets there: nothing is stored or published yet."""
    _crash_at(rig, point, 1)


@pytest.mark.parametrize("parts", [SQLITE[1]], indirect=True)
@pytest.mark.parametrize("point", PLACES)
def test_crash_later_at(rig: Rig, point: Point) -> None:
    """In the middle of the work."""
    _crash_at(rig, point, {"during_rebalance": 1, "after_commit": 3}.get(point, 2))


@pytest.mark.parametrize("parts", POSTGRES, indirect=True)
@pytest.mark.parametrize("point", PLACES)
def test_crash_of_a_chain_at(rig: Rig, point: Point) -> None:
    """Again the first time, with a rule chain as the route; `test_chains.py` has it on SQLite."""
    rig.use(chaining(rig.integration, rig.topic_in, rig.topic_out))
    _crash_at(rig, point, 1)


@pytest.mark.parametrize("parts", [SQLITE[0], *POSTGRES], indirect=True)
@pytest.mark.parametrize("point", PLACES)
def test_crash_among_branches_at(rig: Rig, point: Point) -> None:
    """In the middle of the work, with forks, joins, sub-workflows and calls between the borders."""
    with EchoService() as service:
        rig.use(branching(rig.integration, rig.topic_out, service.url))
        _crash_at(rig, point, 1 if point == "during_rebalance" else 2)
        assert {len(keys) for keys in service.keys.values()} == {1}
        assert len(service.keys) == RECORDS


@pytest.mark.parametrize("parts", [SQLITE[1], *POSTGRES], indirect=True)
@pytest.mark.parametrize(("point", "nth"), RESUMING)
def test_crash_as_messages_go_on_at(rig: Rig, point: Point, nth: int) -> None:
    """The second time, some have come into the loop, and wait inside of it."""
    rig.use(waiting(rig.integration, rig.topic_in, rig.topic_out))
    _crash_at(rig, point, nth)


def _crash_at(rig: Rig, point: Point, nth: int) -> None:
    doomed = rig.start(faults=f"{point}:kill:{nth}")
    rig.load(doomed)
    # Nothing else is fed after the crash, so that the successor has only what is in Kafka and the database.
    count = send_all(rig, RECORDS)
    assert doomed.wait(60) == -9, f"{point} was never reached"
    check(rig, rig.start(), count)


def test_every_place_is_tried() -> None:
    assert set(PLACES) | {point for point, _ in RESUMING} == set(get_args(Point))
