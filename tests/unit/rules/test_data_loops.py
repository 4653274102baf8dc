"""Data loops over endpoints and chains, and over chains and workflows: found, named whole, and told where they are."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet

from tests.fakes.sandbox import FakeSandbox
from tests.unit.rules.endpoints.kafka_room import KafkaRoom, chain_with, endpoint, published, record, router
from tidemill.core.cipher import Cipher
from tidemill.core.findings import Finding
from tidemill.ingest.doors import Taken
from tidemill.ingest.effect import EffectGroup
from tidemill.rules.chains.data_loops import DOMAIN
from tidemill.rules.effects import Publish
from tidemill.server.rules import rule_parts
from tidemill.workflows.catalog import Catalog


def producer(topic: str, server: str = "shop", id_: str = "out") -> dict[str, Any]:
    return {"id": id_, "type": "x/kafkaProducer", "configuration": {"server": server, "topic": topic}}


async def loops(room: KafkaRoom, id_: str = "c") -> list[Finding]:
    return [each for each in (await room.parts.catalog.chain(id_)).findings if each.kind == "loop"]


async def test_a_chain_that_publishes_to_the_topic_that_it_reads() -> None:
    room = KafkaRoom()
    await room.put(chain_with(endpoint(), nodes=[producer("in")]))
    (finding,) = await loops(room)
    assert finding.message == "data loop: kafka:shop:in → endpoint c:e:in → rule chain c → kafka:shop:in"
    assert (finding.path, finding.level) == ("metadata.endpoints", "warning")
    assert (await room.one()).kind == "done"  # a finding, not a refusal


async def test_over_two_chains_and_a_pattern_both_are_told() -> None:
    room = KafkaRoom()
    await room.put(chain_with(endpoint(router("a")), nodes=[producer("b-1")]), "one")
    await room.put(chain_with(endpoint(router("^b-")), nodes=[producer("a")]), "two")
    assert len(await loops(room, "one")) == len(await loops(room, "two")) == 1


async def test_over_a_chain_that_another_runs() -> None:
    room = KafkaRoom()
    flow = {"id": "f", "type": "flow", "configuration": {"targetId": "inner"}}
    await room.put(chain_with(endpoint(router("a")), nodes=[flow]), "outer")
    await room.put(chain_with(nodes=[producer("a")]), "inner")
    (finding,) = await loops(room, "outer")
    assert "→ rule chain outer → rule chain inner →" in finding.message
    assert len(await loops(room, "inner")) == 1


async def test_no_loop() -> None:
    room = KafkaRoom()
    await room.put(chain_with(endpoint(), nodes=[producer("out"), producer("${metadata.topic}", id_="dynamic")]))
    await room.put(chain_with(endpoint(router("out")), nodes=[producer("far")]), "next")
    await room.put(chain_with(endpoint(router("far", to="${chain}")), nodes=[producer("far")]), "placed")
    assert await loops(room) == await loops(room, "next") == await loops(room, "placed") == []


async def test_over_an_event_handler_and_a_workflow_both_domains_tell() -> None:
    room = KafkaRoom()
    catalog = Catalog(room.definitions, FakeSandbox(), room.directory, room.clock)
    room.parts = rule_parts(
        room.definitions,
        room.directory,
        FakeSandbox(),
        room.stores,
        lambda names: None,
        room.clock,
        room.parts.chains.setup.ports.world,
        Cipher(Fernet.generate_key()),
        room.secrets,
        flows=catalog.flows,
    )
    await room.put(chain_with(endpoint(), nodes=[producer("far")]))
    sink = {"name": "t", "taskReferenceName": "t", "type": "EVENT", "sink": "kafka:shop:in"}
    await catalog.save_workflow({"name": "w", "version": 1, "schemaVersion": 2, "tasks": [sink]}, "anna")
    start = {"action": "start_workflow", "start_workflow": {"name": "w"}}
    await catalog.save_handler({"name": "h", "event": "kafka:shop:far", "actions": [start], "active": True}, "anna")
    await catalog.refresh()
    text = "→ event handler h → workflow w version 1 → kafka:shop:in"
    assert any(text in each.message for each in catalog.snapshot.findings("event_handler", "h", None) or ())
    (finding,) = await loops(room)
    assert text in finding.message
    assert len(catalog.flows.besides(DOMAIN)) == 1


async def test_what_a_chain_publishes_counts_the_hops_of_its_record() -> None:
    """So that a loop that nobody saw ends as a dead letter."""
    room = KafkaRoom()
    await room.put(chain_with(endpoint()))
    headers = (("tidemill-hops", b"4"), ("traceparent", b"00-abc"))
    (publication,) = published(await room.one(record(headers=headers)))
    group = EffectGroup([Publish(publication)], "kafka:in", record(headers=headers).hops, "00-abc")
    await room.parts.taker.write(None, [Taken(group.effects[0], group)])  # type: ignore[arg-type]
    (stored,) = room.outbox.added
    assert dict(stored.headers) == {"tidemill-hops": b"5", "traceparent": b"00-abc"}
