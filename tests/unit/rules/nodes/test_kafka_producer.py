"""x/kafkaProducer: what it publishes, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.rules import RulesRoom, chain, message
from tidemill.core.findings import errors
from tidemill.ingest.publication import Publication
from tidemill.rules.chains.examination import examine

SENT = message(b'{"room":"r1","n":3}', device="d1")


async def published(**configuration: Any) -> tuple[Publication | None, str | None]:
    """What goes out, and the reason where the message failed."""
    room = RulesRoom()
    given = {"server": "shop", "topic": "out", **configuration}
    await room.save("c", [{"id": "n", "type": "x/kafkaProducer", "configuration": given}])
    run = await room.hand.run("c", SENT)
    return (room.outbox.added[0] if room.outbox.added else None), run.ends[0].error


async def test_every_field_is_honoured() -> None:
    publication, error = await published(
        topic="to-${msg.room}", key="${metadata.device}", partition="${msg.n}", headers={"kind": "k-${msgType}"}
    )
    assert error is None
    assert publication is not None
    assert (publication.integration, publication.topic, publication.partition) == ("shop", "to-r1", 3)
    assert (publication.key, publication.value) == (b"d1", SENT.data)
    assert publication.headers == (("kind", b"k-TEST"), ("tidemill-hops", b"1"))


@pytest.mark.parametrize(("partition", "meant"), [(0, 0), (2, 2), ("7", 7), ("", None), (None, None)])
async def test_partitions(partition: Any, meant: int | None) -> None:
    publication, _ = await published(partition=partition)
    assert publication is not None
    assert publication.partition == meant


async def test_no_key_is_no_key() -> None:
    for key in ("", "${metadata.none ?? ''}"):
        publication, _ = await published(key=key)
        assert publication is not None
        assert publication.key is None


@pytest.mark.parametrize(
    ("configuration", "reason"),
    [
        ({"topic": "a b"}, "'a b' is no name of a topic"),
        ({"topic": "${metadata.none ?? ''}"}, "'' is no name of a topic"),
        ({"partition": "${metadata.device}"}, "the partition must be a whole number, not 'd1'"),
        ({"server": "nowhere"}, "there is no integration 'nowhere'"),
    ],
)
async def test_what_kafka_would_never_take_fails_the_message(configuration: Any, reason: str) -> None:
    assert await published(**configuration) == (None, reason)


async def test_the_same_message_at_two_nodes_is_two_publications() -> None:
    room = RulesRoom()
    nodes = [
        {"id": name, "type": "x/kafkaProducer", "configuration": {"server": "shop", "topic": name}} for name in "ab"
    ]
    await room.save("c", nodes, [("a", "Success", "b")])
    await room.hand.run("c", SENT)
    assert [each.topic for each in room.outbox.added] == ["a", "b"]
    assert len({each.id for each in room.outbox.added}) == 2


async def test_mistakes_are_found_when_the_chain_is_saved() -> None:
    configuration = {
        "server": "shpo",
        "topic": "${msg.",
        "partition": -1,
        "headers": {"tidemill-id": "x"},
        "kye": "x",
    }
    room = RulesRoom()
    await room.parts.chains.look_around()
    nodes = [{"id": "n", "type": "x/kafkaProducer", "configuration": configuration}]
    _, findings = await examine(chain(nodes), room.parts.chains.setup, "c")
    assert [each.path.rpartition("configuration.")[2] for each in errors(findings)] == ["kye"]
    del configuration["kye"]
    _, findings = await examine(chain(nodes), room.parts.chains.setup, "c")
    found = {each.path.rpartition("configuration.")[2]: each for each in findings}
    assert set(found) == {"server", "topic", "headers.tidemill-id", "partition"}
    assert "did you mean 'shop'?" in found["server"].message
