"""Chains with Kafka endpoints and nodes that need no sandbox: saved from JSON, and their routes fed with records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.fakes.rules import RulesRoom
from tidemill.core.findings import Finding
from tidemill.ingest.publication import Publication
from tidemill.ingest.record import Headers, Record
from tidemill.ingest.route import Outcome
from tidemill.ingest.subscription import GroupKey, Subscription
from tidemill.rules.effects import Publish

Json = dict[str, Any]

OUT: Json = {"id": "out", "type": "x/kafkaProducer", "configuration": {"server": "shop", "topic": "out"}}
BROKEN: Json = {"id": "out", "type": "x/kafkaProducer", "configuration": {"server": "shop", "topic": "${nothing.here}"}}


def router(topic: Any = "in", to: str = "", **parts: Any) -> Json:
    """`parts` go into `from` (`before`, `configuration`) and `to` (`after`, `to_configuration`, `wait`)."""
    source: Json = {"path": topic, "processors": parts.get("before", [])}
    source["configuration"] = parts.get("configuration", {})
    target: Json = {"path": to, "processors": parts.get("after", []), "wait": parts.get("wait", False)}
    target["configuration"] = parts.get("to_configuration", {})
    return {"from": source, "to": target, **({"id": parts["id"]} if "id" in parts else {})}


def endpoint(*routers: Json, configuration: Json | None = None, type_: str = "endpoint/kafka", **keys: Any) -> Json:
    found = {"integration": "shop"} if configuration is None else configuration
    return {"id": "e", "type": type_, "configuration": found, "routers": list(routers or [router()]), **keys}


def chain_with(
    *endpoints: Json, nodes: Sequence[Json] = (OUT,), edges: Sequence[Sequence[str]] = (), **about: Any
) -> Json:
    connections = [{"fromId": origin, "type": relation, "toId": target} for origin, relation, target in edges]
    return {
        "ruleChain": {"name": "test", **about},
        "metadata": {"nodes": list(nodes), "connections": connections, "endpoints": list(endpoints)},
    }


class KafkaRoom(RulesRoom):
    async def put(self, document: Json, id_: str = "c") -> list[tuple[str, str, str]]:
        """What there is to say of it: path, kind and level."""
        return [(each.path, each.kind, each.level) for each in await self.findings_of(document, id_)]

    async def findings_of(self, document: Json, id_: str = "c") -> Sequence[Finding]:
        return (await self.parts.catalog.save(id_, document, "anna")).findings

    async def subscriptions(self) -> dict[GroupKey, Sequence[Subscription]]:
        return dict((await self.parts.subscriptions.current()).groups)

    async def subscription(self) -> Subscription:
        ((found,),) = (await self.subscriptions()).values()
        return found

    async def feed(self, *records: Record) -> Sequence[Outcome]:
        return await (await self.subscription()).route.handle(records or (record(),))

    async def one(self, *records: Record) -> Outcome:
        (found,) = await self.feed(*records)
        return found


def record(
    value: bytes | None = b'{"n":1}',
    key: bytes | None = b"k",
    headers: Headers = (),
    offset: int = 7,
    topic: str = "in",
    partition: int = 2,
) -> Record:
    return Record("shop", topic, "id-of-in", partition, offset, 1_000, key, value, headers)


def published(outcome: Outcome) -> list[Publication]:
    return [effect.publication for effect in outcome.effects if isinstance(effect, Publish)]
