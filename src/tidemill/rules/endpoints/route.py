"""The route of a Kafka endpoint (`ingest.route.Route`): records become messages and run through a chain; what became
of them is the record's outcome. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidemill.core.errors import BadInput
from tidemill.core.ids import DerivedIds
from tidemill.graph.executor import Executor
from tidemill.graph.message import Message
from tidemill.graph.node import FAILURE, Effect, Result
from tidemill.graph.trails import Trails
from tidemill.ingest.record import Record
from tidemill.ingest.route import Outcome, OutcomeKind
from tidemill.ingest.subscription import GroupKey
from tidemill.rules.effects import Publish, topics_of
from tidemill.rules.endpoints.config import FailurePolicy
from tidemill.rules.endpoints.exchange import Exchange, Received, failures_of, said_of
from tidemill.rules.endpoints.response import responses
from tidemill.rules.endpoints.router import Passed, Router
from tidemill.rules.waiting.held import Origin, Said
from tidemill.rules.waiting.holding import effects_of, waits_json


class EndpointRoute:
    """Finds its chain anew for each batch: a chain that is edited keeps its endpoint, and its place in the topic."""

    def __init__(
        self,
        router: Router,
        source: str,
        group: GroupKey,
        executor: Executor,
        policy: FailurePolicy,
        messages: Callable[[Sequence[Record]], list[Message]] | None = None,
    ) -> None:
        """`messages` makes them of records. Where the group has no integration there is nowhere to respond to."""
        self._messages = messages or RecordMessages(router.name).of
        self._router = router
        self._source = source
        self._integration = group.integration
        self._group = group.group
        self._executor = executor
        self._policy = policy
        self.name = router.name

    @property
    def is_foreseeable(self) -> bool:
        """Where the chain that it leads to needs nothing but the message. Processors may need anything."""
        target = self._router.destination.fixed
        if target is None or self._router.needs_exchanges:
            return False
        graph = target.component or self._executor.graphs.graph(target.chain)
        return not isinstance(graph, str) and graph.is_pure(target.node)

    async def handle(self, records: Sequence[Record]) -> Sequence[Outcome]:
        details = Details()
        messages = self._messages(records)
        if not self._router.needs_exchanges:
            passed = await self._router.run(self._executor, messages)
            pairs = zip(messages, passed, strict=True)
            return [
                self._outcome(record, message, each, None, details)
                if (plain := details.plain(each)) is None
                else Outcome("done", each.result.effects, None, plain)  # type: ignore[union-attr]
                for record, (message, each) in zip(records, pairs, strict=True)
            ]
        exchanges = [
            Exchange(Received(message, self._source, headers_of(record)))
            for record, message in zip(records, messages, strict=True)
        ]
        passed = await self._router.exchange(self._executor, exchanges)
        return [self._outcome(*each, details) for each in zip(records, messages, passed, exchanges, strict=True)]

    def _outcome(
        self, record: Record, message: Message, passed: Passed, exchange: Exchange | None, details: Details
    ) -> Outcome:
        if passed.refusal is not None:
            return self._refused(passed)
        if passed.result is None or passed.trails is None:
            return Outcome("filtered", reason="stopped by a processor")
        reason = failure_of(passed)
        if reason is not None and self._policy != "ignore":
            kind: OutcomeKind = "retry" if self._policy == "retry" else "invalid"
            return Outcome(kind, reason=reason, detail=details.of(passed.result, passed.trails))
        try:
            effects = self._effects(record, message, passed, exchange)
            if passed.answers:
                effects = [*effects, *self._responses(passed)]
        except BadInput as error:
            return Outcome("invalid", reason=str(error), detail=details.of(passed.result, passed.trails))
        return Outcome("done", effects, detail=details.of(passed.result, passed.trails, topics_of(effects)))

    def _refused(self, passed: Passed) -> Outcome:
        """It did not run. A chain that cannot is waited for; a message that a processor failed is like one that
        a node failed."""
        if passed.is_waiting or self._policy == "retry":
            return Outcome("retry", reason=passed.refusal)
        return Outcome("done" if self._policy == "ignore" else "invalid", reason=passed.refusal)

    def _effects(self, record: Record, message: Message, passed: Passed, exchange: Exchange | None) -> Sequence[Effect]:
        """With the run itself, where branches of it wait."""
        result = passed.result
        assert result is not None
        if not result.waits:
            return result.effects
        said = Said() if exchange is None else said_of(exchange)
        origin = Origin(message, self.name, self._policy, record, self._group, said=said)
        return effects_of(result, passed.chain, origin, self._executor.clock.now_ms())

    def _responses(self, passed: Passed) -> Sequence[Effect]:
        if not self._integration:
            return ()
        return responses(passed.answers, self._integration, "response", self._executor.clock.now_ms())


class RecordMessages:
    """Makes messages of records. What is the same for all of a partition is made once."""

    def __init__(self, route: str) -> None:
        self._route = route
        self._ids: dict[tuple[str, str, str, int], DerivedIds] = {}

    def of(self, records: Sequence[Record]) -> list[Message]:
        """As RuleGo makes them, and what it leaves out: offset and timestamp. One is mostly from where the one before
        it was, and often of the same time."""
        messages: list[Message] = []
        topic, topic_id, partition, timestamp_ms = "", "", -1, -1
        partition_text, timestamp = "", ""
        id_of: Callable[[int, int], str] | None = None
        for record in records:
            if id_of is None or record.partition != partition or record.topic != topic or record.topic_id != topic_id:
                topic, topic_id, partition = record.topic, record.topic_id, record.partition
                id_of, partition_text = self._ids_of(record).id, str(partition)
            if not messages or record.timestamp_ms != timestamp_ms:
                timestamp_ms = record.timestamp_ms
                timestamp = str(timestamp_ms)
            offset, key = record.offset, record.key
            metadata = {
                "topic": topic,
                "partition": partition_text,
                "offset": str(offset),
                "timestamp": timestamp,
                "_triggerSource": "endpoint",
            }
            if key is not None:
                metadata["key"] = key.decode("utf-8", "replace")
            data = record.value or b""
            messages.append(Message(id_of(timestamp_ms, offset), timestamp_ms, topic, data, metadata))
        return messages

    def _ids_of(self, record: Record) -> DerivedIds:
        place = (record.integration, record.topic_id, record.topic, record.partition)
        ids = self._ids.get(place)
        if ids is None:
            ids = self._ids[place] = DerivedIds(self._route, *place)
        return ids


def headers_of(record: Record) -> dict[str, str]:
    """As text; of several with one name the last. `topic` is where the record is from, as RuleGo has it."""
    headers = {name: value.decode("utf-8", "replace") for name, value in record.headers if value is not None}
    return {**headers, "topic": record.topic}


def failure_of(passed: Passed) -> str | None:
    """Why the record failed, where a branch of it did, or a processor after the chain."""
    result = passed.result
    assert result is not None
    reasons = [f"{end.node}: {end.error or 'failed'}" for end in result.failures]
    if result.waits and not passed.chain:
        reasons.append("a node that waits must be in a chain")
    if passed.answers:
        reasons += failures_of(passed.answers)
    return "; ".join(reasons) if reasons else None


class Details:
    """Which way each branch went, and what was published, for those who ask later. Records of a batch that fared alike
    share one value: the history stores it once."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Mapping[str, Any]] = {}

    def plain(self, passed: Passed) -> Mapping[str, Any] | None:
        """Of what most records come to: one end that is no failure, at most one publication, nothing that waits. None
        for any other."""
        result, trails = passed.result, passed.trails
        if result is None or trails is None or passed.refusal is not None:
            return None
        ends, effects = result.ends, result.effects
        if len(ends) != 1 or result.held or result.nested or len(effects) > 1:
            return None
        end = ends[0]
        key: tuple[Any, ...]
        if not effects:
            key = (id(trails), end.trail, end.node, end.relation)
        elif type(effects[0]) is Publish:
            publication = effects[0].publication
            key = (id(trails), end.trail, end.node, end.relation, publication.integration, publication.topic)
        else:
            return None
        known = self._known.get(key)
        if known is None and end.error is None and end.relation != FAILURE:
            known = self._known[key] = _detail(result, trails, topics_of(effects))
        return known if end.error is None else None

    def of(self, result: Result, trails: Trails, topics: Sequence[str] = ()) -> Mapping[str, Any]:
        if len(result.ends) != 1 or result.is_held or result.ends[0].error is not None:
            return _detail(result, trails, topics)
        end = result.ends[0]
        key = (id(trails), end.trail, end.node, end.relation, *topics)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _detail(result, trails, topics)
        return known


def _detail(result: Result, trails: Trails, topics: Sequence[str]) -> Mapping[str, Any]:
    ends = []
    for end in result.ends:
        way: dict[str, Any] = {"way": [*trails.way(end.trail), (end.node, end.relation)]}
        if end.error is not None:
            way["error"] = end.error
        ends.append(way)
    detail: dict[str, Any] = {"ends": ends}
    if result.is_held:
        detail["waits"] = list(waits_json(result))
    if topics:
        detail["published"] = list(topics)
    return detail
