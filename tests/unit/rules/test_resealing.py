"""Secrets that were saved in plain are encrypted once, in older saves, too; nothing else changes."""

from __future__ import annotations

from typing import Any

from tests.fakes.rules import RulesRoom, message
from tests.fakes.rules_world import ListedWorld
from tests.unit.rules.test_secrets import MAIL, everything, shown
from tidemill.core.codec import from_json, to_json
from tidemill.rules import resealing
from tidemill.rules.resealing import Resealing

MAILING: dict[str, Any] = {"metadata": {"nodes": [{"id": "mail", "type": "sendEmail", "configuration": MAIL}]}}


class KnownMarks:
    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    async def get(self, name: str) -> str | None:
        return self.values.get(name)

    async def put(self, name: str, value: str) -> None:
        self.values[name] = value


class Room(RulesRoom):
    def __init__(self, world: ListedWorld | None = None) -> None:
        super().__init__(world=(world or ListedWorld()).world)
        self.marks = KnownMarks()
        self.resealing = Resealing(self.definitions, self.marks, self.parts.chains.vault, self.clock)

    async def put(self, id_: str, document: Any, kind: Any = "rule_chain") -> None:
        """As it was saved when nothing was encrypted."""
        await self.definitions.put(kind, id_, 0, to_json(document), b"[]", "anna", 1)

    async def saved(self, kind: Any = "rule_chain") -> list[bytes]:
        return [each.document for each in await self.definitions.saves_after(kind, None, 10_000)]


async def test_all_saves_are_sealed_and_mean_the_same(monkeypatch: Any) -> None:
    monkeypatch.setattr(resealing, "SAVES_MAX", 2)
    world = ListedWorld()
    room = Room(world)
    for id_ in ("c", "d", "gone"):
        await room.put(id_, everything())
        await room.put(id_, MAILING)
    await room.definitions.remove("rule_chain", "gone", 0, "anna", 2)
    await room.put("m", {"id": "m", **MAILING["metadata"]["nodes"][0]}, "shared_node")
    plain = [from_json(each) for each in await room.saved()]
    assert await room.resealing.seal() == 7
    stored = await room.saved()
    assert len(stored) == 6
    for each in [*stored, *await room.saved("shared_node")]:
        assert b"secret" not in each.replace(b'"secrets"', b"")
    opened = [room.parts.chains.vault.opened(each).document for each in stored]
    assert to_json(opened) == to_json(plain).replace(b'"password":31337', b'"password":"31337"')
    await room.run("c", message())
    assert [server.password for server, _ in world.mails] == ["mail's secret"]
    assert "secret" not in str(await shown(room)).replace("'secrets'", "")


async def test_it_is_done_once() -> None:
    room = Room()
    await room.put("c", MAILING)
    assert await room.resealing.seal() == 1
    (sealed,) = await room.saved()
    assert await room.resealing.seal() == 0
    room.marks.values.clear()
    revision = await room.definitions.revision()
    assert await room.resealing.seal() == 0, "what is sealed stays as it is"
    assert (await room.saved(), await room.definitions.revision()) == ([sealed], revision)


async def test_what_has_no_secrets_is_not_touched() -> None:
    """Also what was masked, and is no document at all."""
    room = Room()
    for number, document in enumerate([{}, [], "x", {"metadata": 1}, {**MAILING, "metadata": {"nodes": "no"}}]):
        await room.put(f"c{number}", document)
    masked = {"metadata": {"nodes": [{"type": "sendEmail", "configuration": {**MAIL, "password": "***"}}]}}
    await room.put("masked", masked)
    before = await room.saved()
    assert await room.resealing.seal() == 0
    assert await room.saved() == before


async def test_a_chain_that_runs_hides_its_secret_from_then_on() -> None:
    room = Room()
    await room.put("c", MAILING)
    await room.parts.chains.refresh()
    assert room.parts.chains.by_id["c"].built.draft.hidden == frozenset()
    await room.resealing.seal()
    await room.parts.chains.refresh()
    assert room.parts.chains.by_id["c"].built.draft.hidden == {"mail's secret"}
