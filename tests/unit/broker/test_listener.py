"""A flood of connections is counted, one by one, and said now and then."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from tidemill.broker.connection import Connection
from tidemill.broker.dispatch import Dispatcher
from tidemill.broker.listener import REFUSALS_SAID_EVERY_S, Listener
from tidemill.broker.settings import BrokerSettings
from tidemill.core.clock import HeldClock


def test_refusals_are_said_together() -> None:
    clock, settings = HeldClock(), BrokerSettings(data=Path("data"), connections_max=0)
    listener = Listener(settings, clock)

    def refuse(count: int) -> None:
        for _ in range(count):
            connection = Connection(Dispatcher({}), settings, listener.traffic, listener._admit, lambda _: None)
            assert not listener._admit(connection)

    with capture_logs() as said:
        refuse(100)
        clock.advance(REFUSALS_SAID_EVERY_S - 1)
        refuse(100)
        clock.advance(1)
        refuse(50)
    assert [line["count"] for line in said] == [1, 200]
    assert listener.traffic.refused == 250
