"""Saving, reading and using integrations, over a store in memory."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from tests.fakes.definitions import MemoryDefinitions
from tidemill.core.cipher import Cipher
from tidemill.core.clock import HeldClock
from tidemill.core.errors import BadInput, NotFound
from tidemill.kafka import vault
from tidemill.kafka.integrations import Integrations

BODY = {"type": "kafka", "configuration": {"endpoint": "one:9092", "groupId": "readers"}}


class Room:
    def __init__(self) -> None:
        self.definitions = MemoryDefinitions()
        self.clock = HeldClock()
        self.address: str | None = None
        self.cipher = Cipher(Fernet.generate_key())
        self.integrations = Integrations(self.definitions, self.cipher, self.clock, lambda: self.address)


@pytest.fixture
def room() -> Room:
    return Room()


async def test_reads_as_its_users_know_it(room: Room) -> None:
    _ = await room.integrations.save("main", {**BODY, "category": "API", "tags": [{"key": "a", "value": "b"}]}, "ann")
    created_ms = room.clock.now_ms()
    room.clock.advance(1)
    _ = await room.integrations.save("main", {**BODY, "description": "new"}, "bob")
    assert await room.integrations.get("main") == {
        "name": "main",
        "type": "kafka",
        "category": "MESSAGE_BROKER",
        "description": "new",
        "enabled": True,
        "configuration": BODY["configuration"],
        "tags": [{"key": "a", "value": "b"}],
        "modelsCount": 0,
        "createTime": created_ms,
        "updateTime": created_ms + 1000,
        "createdBy": "ann",
        "updatedBy": "bob",
    }
    exported = await room.integrations.get("main")
    _ = await room.integrations.save("main", exported, "bob")  # what a read gives can be saved again
    assert [each["name"] for each in await room.integrations.list()] == ["main"]


async def test_is_used_as_soon_as_it_is_saved(room: Room) -> None:
    assert await room.integrations.active() == {}
    _ = await room.integrations.save("main", BODY, "ann")
    _ = await room.integrations.save("off", {**BODY, "enabled": False}, "ann")
    _ = await room.integrations.save("own", {"type": "embedded"}, "ann")
    assert (await room.integrations.active()).keys() == {"main"}
    room.address = "127.0.0.1:1"
    assert (await room.integrations.active()).keys() == {"main", "own"}
    infos = await room.integrations.integrations()
    assert {name: info.is_enabled for name, info in infos.items()} == {"main": True, "off": False, "own": True}
    assert infos["main"].group == "readers"
    assert infos["main"].servers == {"one:9092"}
    assert infos["own"].servers == {"127.0.0.1:1"}

    reads = room.definitions.reads
    _ = await room.integrations.active()
    assert room.definitions.reads == reads, "nothing changed, so nothing is read"
    await room.integrations.remove("main", "ann")
    assert (await room.integrations.active()).keys() == {"own"}


async def test_bad_ones_are_refused_whole(room: Room) -> None:
    with pytest.raises(BadInput) as refused:
        _ = await room.integrations.save("main", {"type": "kafka", "configuration": {"user": "me"}}, "ann")
    assert [finding.path for finding in refused.value.findings] == ["configuration.user", "configuration.endpoint"]
    with pytest.raises(NotFound):
        _ = await room.integrations.save("main", {**BODY, "type": "carrier-pigeon"}, "ann")
    with pytest.raises(NotFound):
        _ = await room.integrations.get("main")

    _ = await room.integrations.save("main", BODY, "ann")
    with pytest.raises(BadInput, match="cannot be changed"):
        _ = await room.integrations.save("main", {"type": "embedded"}, "ann")


async def test_a_name_that_was_removed_may_have_another_type(room: Room) -> None:
    _ = await room.integrations.save("main", BODY, "ann")
    await room.integrations.remove("main", "ann")
    _ = await room.integrations.save("main", {"type": "embedded"}, "ann")
    assert (await room.integrations.get("main"))["type"] == "embedded"


async def test_the_test_says_where_it_stops(room: Room) -> None:
    with pytest.raises(NotFound):
        _ = await room.integrations.test("main")
    _ = await room.integrations.save("own", {"type": "embedded"}, "ann")
    report = await room.integrations.test("own")
    assert (report["ok"], report["failedStep"]) == (False, "resolve")
    assert report["message"] == "resolve failed: the embedded broker is not running in this process"


async def test_a_mask_is_a_password_only_where_one_is_kept(room: Room) -> None:
    login = {"endpoint": "one:9092", "connectionType": "SASL_SSL/PLAIN", "user": "ann", "password": "***"}
    with pytest.raises(BadInput, match="none is kept"):
        await room.integrations.save("main", {"type": "kafka", "configuration": login}, "ann")
    await room.integrations.save("main", {"type": "kafka", "configuration": {**login, "password": "s3cret"}}, "ann")
    await room.integrations.save("main", {"type": "kafka", "configuration": {**login, "user": "bob"}}, "ann")
    settings = (await room.integrations.active())["main"].settings
    assert (settings["sasl.username"], settings["sasl.password"]) == ("bob", "s3cret")
    assert "s3cret" not in str(await room.integrations.get("main"))


def test_passwords_are_encrypted_masked_and_kept(room: Room) -> None:
    given = {"endpoint": "one:9092", "password": "s3cret", "keyStorePassword": ""}
    stored = vault.seal(given, {}, room.cipher)
    assert "s3cret" not in str(stored)
    assert stored["endpoint"] == "one:9092"
    assert vault.unseal(stored, room.cipher) == given
    shown = vault.mask(stored)
    assert shown == {"endpoint": "one:9092", "password": "***", "keyStorePassword": ""}
    assert vault.seal(shown, stored, room.cipher) == stored
    changed = vault.seal({**shown, "password": "other"}, stored, room.cipher)
    assert vault.unseal(changed, room.cipher)["password"] == "other"
