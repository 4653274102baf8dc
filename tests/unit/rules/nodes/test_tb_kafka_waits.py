"""ThingsBoard's kafka node: what follows it has the record's place, or the broker's reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes.rules import message
from tests.fakes.thingsboard import tb_chain, tb_node
from tests.unit.rules.resuming_room import ResumingRoom

KAFKA = tb_node("kafka.TbKafkaNode", "k", topicPattern="readings", bootstrapServers="shop")
TELL = tb_node("transform.TbTransformMsgNode", "t", scriptLang="JS", jsScript="tell")
AFTER = tb_node("kafka.TbKafkaNode", "after", topicPattern="seen", bootstrapServers="shop")


async def room_with(relation: str) -> ResumingRoom:
    room = ResumingRoom()

    def tell(msg: Any, metadata: dict[str, str], type_: str, data_type: str) -> dict[str, Any]:
        return {"msg": metadata}

    room.sandbox.bodies = {"tell": tell}
    document = tb_chain([KAFKA, TELL, AFTER], [(0, relation, 1), (1, "Success", 2)])
    saved = await room.parts.catalog.save("main", document, "anna")
    assert not [finding for finding in saved.findings if finding.level == "error"], saved.findings
    return room


async def test_what_follows_has_topic_partition_and_offset() -> None:
    room = await room_with("Success")
    assert (await room.hand.run("main", message(k="v"))).is_held
    await room.acknowledge(room.outbox.added[0], partition=2, offset=17)
    await room.after(0)
    assert [each.topic for each in room.outbox.added] == ["readings", "seen"]
    told = json.loads(room.values[1] or b"")
    assert told == {"k": "v", "topic": "readings", "partition": "2", "offset": "17"}
    assert room.waiting == []


async def test_a_refusal_is_the_error() -> None:
    room = await room_with("Failure")
    assert (await room.hand.run("main", message())).is_held
    await room.refuse(room.outbox.added[0], "record too large")
    await room.after(0)
    told = json.loads(room.values[1] or b"")
    assert told == {"topic": "readings", "error": "record too large", "errorMsg": "record too large"}


@pytest.mark.parametrize("nodes", [[KAFKA], [KAFKA, TELL]])
async def test_where_nothing_follows_nobody_waits(nodes: list[dict[str, Any]]) -> None:
    room = ResumingRoom()
    await room.parts.catalog.save("main", tb_chain(nodes, []), "anna")
    run = await room.hand.run("main", message())
    assert (run.is_held, [end.message.metadata for end in run.ends]) == (False, [{"topic": "readings"}])
