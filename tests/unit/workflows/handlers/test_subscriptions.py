"""Which handlers are read, in which group, and how a change takes effect."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.definitions import MemoryDefinitions
from tests.fakes.integrations import FakeDirectory, info
from tests.fakes.sandbox import FakeSandbox
from tests.fakes.transaction import OpenTransaction
from tests.unit.workflows.handlers.parts import document
from tidemill.core.clock import HeldClock
from tidemill.core.errors import StaleWrite
from tidemill.ingest.subscription import GroupKey
from tidemill.workflows.catalog import Catalog
from tidemill.workflows.handlers.subscriptions import HandlerSubscriptions


class House:
    def __init__(self) -> None:
        self.store = MemoryDefinitions()
        self.directory = FakeDirectory("shop")
        self.catalog = Catalog(self.store, FakeSandbox(), self.directory, HeldClock())
        self.subscriptions = HandlerSubscriptions(self.catalog, self.store, FakeSandbox())

    async def save(self, name: str, **keys: Any) -> None:
        await self.catalog.save_handler(document(**{"name": name, **keys}), "ann")

    async def read(self) -> dict[GroupKey, list[tuple[str, set[str]]]]:
        groups = (await self.subscriptions.current()).groups
        return {key: [(each.route.name, set(each.topics)) for each in group] for key, group in groups.items()}


@pytest.fixture
def house() -> House:
    return House()


async def test_handlers_are_grouped_by_integration_and_its_group(house: House) -> None:
    house.directory.infos["bank"] = info("bank", group="payments")
    await house.save("a")
    await house.save("b", event="kafka:shop:other")
    await house.save("c", event="kafka:bank:orders-in")
    assert await house.read() == {
        GroupKey("shop", "tidemill"): [
            ("event_handler:a", {"orders-in"}),
            ("event_handler:b", {"other"}),
        ],
        GroupKey("bank", "payments"): [("event_handler:c", {"orders-in"})],
    }


async def test_what_is_not_read(house: House) -> None:
    house.directory.infos["off"] = info("off", is_enabled=False)
    await house.save("inactive", active=False)
    await house.save("homeless", event="kafka:nowhere:t")
    await house.save("off", event="kafka:off:t")
    await house.save("python", evaluatorType="python", condition="return True")
    await house.save("agent", actions=[{"action": "start_agent", "start_agent": {}}])
    assert await house.read() == {}


async def test_a_change_takes_effect_at_once(house: House) -> None:
    await house.save("a")
    before = await house.subscriptions.current()
    assert await house.subscriptions.current() is before
    await house.save("a", event="kafka:shop:elsewhere")
    after = await house.subscriptions.current()
    assert after.revision > before.revision
    assert await house.read() == {GroupKey("shop", "tidemill"): [("event_handler:a", {"elsewhere"})]}
    await house.catalog.remove_handler("a", "ann")
    assert await house.read() == {}


async def test_what_was_computed_with_older_definitions_is_not_committed(house: House) -> None:
    await house.save("a")
    revision = (await house.subscriptions.current()).revision
    await house.subscriptions.verify(OpenTransaction(), revision)
    await house.save("b")
    with pytest.raises(StaleWrite):
        await house.subscriptions.verify(OpenTransaction(), revision)


async def test_what_stands_still_with_its_integration(house: House) -> None:
    """Switched off, or not to be used: it is there all the same."""
    await house.store.put("integration", "locked", 0, b"{}", b"[]", "ann", 1)
    house.directory.infos["off"] = info("off", is_enabled=False)
    await house.save("a")
    assert (await house.subscriptions.current()).held == {"locked", "off"}
