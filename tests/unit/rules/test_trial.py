"""Chains tried as documents: what they cause is told and does not happen, what they hold goes on at once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.rules import chain, message
from tests.fakes.rules_world import ListedWorld
from tests.fakes.sandbox import FakeSandbox
from tidemill.core.clock import HeldClock
from tidemill.core.errors import BadInput
from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import SUCCESS, Batch, Hold, Wake
from tidemill.graph.registry import Registry
from tidemill.rules.chains.building import Setup
from tidemill.rules.listed import LISTED
from tidemill.rules.nodes import ref
from tidemill.rules.nowhere import NOWHERE, EmptyCache, NothingPending
from tidemill.rules.ports import Ports
from tidemill.rules.trial import AnyCluster, Logged, Trial


class NoteConfig(Config):
    wait_ms: int = 0
    slot: str | None = None


class Noting:
    """Logs, wants something to happen, and holds its message if that is wished."""

    def __init__(self, config: NoteConfig) -> None:
        self._wait_ms = config.wait_ms
        self._slot = config.slot

    async def process(self, batch: Batch) -> None:
        for index, _ in enumerate(batch.items):
            batch.log(index, "seen")
            batch.effect(index, "wish")
            if self._wait_ms:
                batch.hold(index, Hold(self._wait_ms, slot=self._slot))
            else:
                batch.tell(index, SUCCESS)

    def wake(self, message: Message, wake: Wake) -> tuple[str, Message]:
        assert wake == Wake()
        return SUCCESS, message.told(metadata={"woken": str(self._wait_ms)})


def build(config: Any, site: Any) -> Noting:
    return Noting(config)


class Shelf(Registry):
    """Has `note`, and `ref`."""

    def get(self, type_: str) -> Component | None:
        if type_ == "ref":
            return ref.COMPONENT
        return Component("note", "action", "Notes.", NoteConfig, build) if type_ == "note" else None

    def types(self) -> list[str]:
        return ["note"]


@pytest.fixture
def trial() -> Trial:
    return Trial(
        Setup(Shelf({}), Ports(FakeSandbox(), HeldClock(), AnyCluster(), EmptyCache(), NOWHERE, NothingPending()), {})
    )


def note(id_: str, wait_ms: int = 0) -> dict[str, Any]:
    return {"id": id_, "type": "note", "configuration": {"wait_ms": wait_ms}}


async def test_effects_and_logs_are_told(trial: Trial) -> None:
    assert await trial.add(chain([note("a")]), "one") == ("one", [])
    tried = await trial.run("one", message())
    assert [(end.node, end.relation) for end in tried.ends] == [("a", SUCCESS)]
    assert (tried.effects, tried.logs) == (["wish"], [Logged("one", "a", "seen")])


async def test_the_documents_own_id_counts_first(trial: Trial) -> None:
    id_, _ = await trial.add({**chain([note("a")]), "ruleChain": {"id": "own"}}, "file")
    assert id_ == "own"


async def test_what_is_held_goes_on_in_the_order_of_time(trial: Trial) -> None:
    nodes = [note("start"), note("late", 20), note("soon", 10), note("then")]
    edges = [("start", SUCCESS, "late"), ("start", SUCCESS, "soon"), ("soon", SUCCESS, "then")]
    await trial.add(chain(nodes, edges), "one")
    tried = await trial.run("one", message())
    assert [(end.node, dict(end.message.metadata)) for end in tried.ends] == [
        ("then", {"woken": "10"}),
        ("late", {"woken": "20"}),
    ]
    assert [held.node for held in tried.held] == ["late", "soon"]


async def test_what_is_held_inside_goes_on_too_and_what_is_in_a_slot_by_itself(trial: Trial) -> None:
    late = note("late", 20)
    slotted = {"id": "slotted", "type": "note", "configuration": {"wait_ms": 10, "slot": "s"}}
    call = {"id": "call", "type": "ref", "configuration": {"targetId": "start", "tellChain": True}}
    nodes = [call, note("start"), late, slotted]
    await trial.add(chain(nodes, [("start", SUCCESS, "late"), ("start", SUCCESS, "slotted")]), "one")
    tried = await trial.run("one", message())
    assert [end.node for end in tried.ends] == ["slotted", "call"]
    assert {held.node for held in tried.held} == {"late", "slotted"}
    assert tried.effects == ["wish"] * 3


async def test_from_a_node_on(trial: Trial) -> None:
    await trial.add(chain([note("a"), note("b")], [("a", SUCCESS, "b")]), "one")
    tried = await trial.run("one", message(), "b")
    assert [logged.node for logged in tried.logs] == ["b"]


async def test_a_chain_that_cannot_run_says_why(trial: Trial) -> None:
    _, findings = await trial.add(chain([{"id": "a", "type": "nite"}]), "one")
    assert [finding.message for finding in findings] == ["there is no node type 'nite'; did you mean 'note'?"]
    with pytest.raises(BadInput, match="the chain one cannot run"):
        await trial.run("one", message())
    with pytest.raises(BadInput, match="there is no chain 'two'"):
        await trial.run("two", message())


def test_any_cluster_is_there() -> None:
    info = AnyCluster().cluster("far:9092")
    assert info is not None
    assert (info.name, info.is_enabled) == ("far:9092", True)


async def test_secrets_are_those_of_the_file_and_masks_are_none() -> None:
    world = ListedWorld()
    ports = Ports(FakeSandbox(), HeldClock(), AnyCluster(), EmptyCache(), world.world, NothingPending())
    trial = Trial(Setup(Registry(LISTED), ports, {}))
    mail: dict[str, Any] = {"smtpHost": "mail.example.org", "username": "${secrets.user}", "password": "plain"}
    mail = {**mail, "email": {"from": "a@b.org", "to": "c@d.org"}}
    node = {"id": "m", "type": "sendEmail", "configuration": mail}
    document = chain([node])
    document["ruleChain"]["configuration"] = {"secrets": {"user": "ann"}}
    id_, findings = await trial.add(document, "c")
    assert findings == []
    await trial.run(id_, message())
    assert [(server.user, server.password) for server, _ in world.mails] == [("ann", "plain")]
    node["configuration"] = {**mail, "password": "***"}
    sasl = {"enable": True, "username": "me", "password": "***"}  # a cluster's may be masked: nothing is sent there
    kafka = {"id": "k", "type": "x/kafkaProducer", "configuration": {"server": "k:9092", "topic": "t", "sasl": sasl}}
    _, findings = await trial.add(chain([node, kafka]), "d")
    assert [(each.path, each.kind) for each in findings] == [
        ("metadata.nodes[0].configuration.username", "unknown_secret"),
        ("metadata.nodes[0].configuration.password", "not_kept"),
    ]
