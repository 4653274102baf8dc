"""The route of a Kafka endpoint (`ingest.route.Route`): records become messages and run through a chain; what became
of them is the record's outcome. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tidemill.core.ids import derived_id
from tidemill.graph.executor import Executor
from tidemill.graph.message import Message
from tidemill.graph.node import Result
from tidemill.graph.trails import Trails
from tidemill.ingest.record import Record
from tidemill.ingest.route import Outcome

FailurePolicy = Literal["dead_letter", "retry", "ignore"]


class EndpointRoute:
    """Finds its chain anew for each batch: a chain that is edited keeps its endpoint, and its place in the topic."""

    def __init__(self, name: str, chain: str, entry: str | None, executor: Executor, policy: FailurePolicy) -> None:
        self._name = name
        self._chain = chain
        self._entry = entry
        self._executor = executor
        self._policy = policy

    @property
    def name(self) -> str:
        return self._name

    async def handle(self, records: Sequence[Record]) -> Sequence[Outcome]:
        graph = self._executor.graphs.graph(self._chain)
        if isinstance(graph, str):
            return [Outcome("invalid", reason=graph)] * len(records)
        messages = [message_of(record) for record in records]
        results, trails = await self._executor.run(graph, messages, self._entry)
        return [self._outcome(result, trails) for result in results]

    def _outcome(self, result: Result, trails: Trails) -> Outcome:
        detail = detail_of(result, trails)
        failures = result.failures
        if failures and self._policy != "ignore":
            reason = "; ".join(f"{end.node}: {end.error or 'failed'}" for end in failures)
            return Outcome("retry" if self._policy == "retry" else "invalid", reason=reason, detail=detail)
        return Outcome("done", result.effects, detail=detail)


def message_of(record: Record) -> Message:
    """As RuleGo makes it, and what it leaves out: offset and timestamp."""
    metadata = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp_ms),
    }
    if record.key is not None:
        metadata["key"] = record.key.decode("utf-8", "replace")
    place = (record.integration, record.topic_id, record.topic, record.partition, record.offset)
    id_ = derived_id(record.timestamp_ms, *place)
    return Message(id_, record.timestamp_ms, record.topic, record.value or b"", metadata)


def detail_of(result: Result, trails: Trails) -> Mapping[str, Any]:
    """Which way each branch went, for those who ask later."""
    ends = []
    for end in result.ends:
        way: dict[str, Any] = {"way": [*trails.way(end.trail), (end.node, end.relation)]}
        if end.error is not None:
            way["error"] = end.error
        ends.append(way)
    return {"ends": ends}
