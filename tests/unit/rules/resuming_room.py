"""Chains whose messages wait: runs taken up as time goes on, and what they cause, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.fakes.places import ListedHistory, ListedPlaces
from tests.fakes.rules import NoEngine, OpenTransactions, RulesRoom
from tests.fakes.transaction import OpenTransaction
from tests.unit.rules.nodes.ends import node
from tidemill.core.faults import Faults
from tidemill.core.transaction import Transactions
from tidemill.ingest.doors import Doors
from tidemill.ingest.effect import EffectGroup
from tidemill.ingest.publication import Publication, PublicationRefused, Published
from tidemill.ingest.record import Record
from tidemill.rules.endpoints.route import RecordMessages
from tidemill.rules.waiting.held import HeldRun, Origin, Policy
from tidemill.rules.waiting.holding import effects_of
from tidemill.rules.waiting.resuming import Resuming

OUT = node("out", "x/kafkaProducer", server="shop", topic="out", key="${metadata.key}")
WAIT = node("wait", "delay", delayMs=5000)
AWAITED = node("sent", "x/kafkaProducer", server="shop", topic="out", awaitAck=True)


class ResumingRoom(RulesRoom):
    def __init__(self) -> None:
        super().__init__()
        self.places = ListedPlaces()
        self.history = ListedHistory()
        self.places.dead_letters, self.places.history = self.letters, self.history
        self.door = Doors(NoEngine(), self.parts.taker)
        self.resuming = self.resuming_over(OpenTransactions())

    def resuming_over(self, transactions: Transactions) -> Resuming:
        parts = self.parts
        around = (self.door, transactions, self.places, self.clock, Faults())
        return Resuming(self.held, parts.chains, parts.executor, *around, parts.held, parts.callers)

    async def after(self, milliseconds: int) -> int:
        """Time goes on, and everything that is due then is taken up; returns how many runs were."""
        self.clock.advance(milliseconds / 1000)
        total = 0
        for _ in range(100):
            count = await self.resuming.take_up()
            total += count
            if not count:
                return total
        raise AssertionError("the same runs are due again and again")

    async def arrive(self, chain: str, value: bytes, policy: Policy = "dead_letter", offset: int = 0) -> None:
        """A record, as an endpoint with that policy takes it in."""
        record = Record("shop", "in", "t", 0, offset, 1_000, b"k", value)
        await self.parts.chains.refresh()
        graph = self.parts.chains.graph(chain)
        assert not isinstance(graph, str), graph
        given = RecordMessages("endpoint:e").of([record])[0]
        (result,), _ = await self.parts.executor.run(graph, [given])
        assert not result.failures, result.failures
        origin = Origin(given, "endpoint:e", policy, record, "g")
        effects = effects_of(result, chain, origin, self.clock.now_ms())
        await self.apply(EffectGroup(effects, f"kafka:shop:in:0:{offset}", hops=3, traceparent="00-trace-01"))

    async def apply(self, *groups: EffectGroup) -> None:
        prepared = await self.door.prepare(groups)
        await prepared.write(OpenTransaction())
        prepared.committed()

    async def acknowledge(self, publication: Publication, partition: int | None = 2, offset: int | None = 17) -> None:
        receipt = Published(publication.origin, publication.topic, partition, offset)
        await self.apply(EffectGroup([receipt]))

    async def refuse(self, publication: Publication, reason: str) -> None:
        receipt = PublicationRefused(publication.origin, publication.topic, reason, publication)
        await self.apply(EffectGroup([receipt]))

    @property
    def values(self) -> Sequence[bytes | None]:
        return [publication.value for publication in self.outbox.added]

    @property
    def waiting(self) -> Sequence[HeldRun]:
        return list(self.held.rows.values())


async def room_with(*nodes: dict[str, Any], edges: list[tuple[str, str, str]], **scripts: Any) -> ResumingRoom:
    room = ResumingRoom()
    room.sandbox.bodies = scripts
    saved = await room.save("c", nodes, edges)
    assert not saved.findings, saved.findings
    return room
