"""The route of a Kafka endpoint (`ingest.route.Route`): records become messages and run through a chain; what became
of them is the record's outcome. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidemill.core.errors import BadInput
from tidemill.core.ids import derived_id
from tidemill.graph.executor import Executor
from tidemill.graph.message import Message
from tidemill.graph.node import Effect, Result
from tidemill.graph.trails import Trails
from tidemill.ingest.record import Record
from tidemill.ingest.route import Outcome
from tidemill.ingest.subscription import GroupKey
from tidemill.rules.effects import Publish
from tidemill.rules.endpoints.config import FailurePolicy
from tidemill.rules.endpoints.exchange import Exchange, Received
from tidemill.rules.endpoints.response import response
from tidemill.rules.endpoints.router import Passed, Router
from tidemill.rules.waiting.held import Origin
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
        message: Callable[[Record, str], Message] | None = None,
    ) -> None:
        """`message` makes one of a record. Where the group has no integration there is nowhere to respond to."""
        self._message = message or message_of
        self._router = router
        self._source = source
        self._integration = group.integration
        self._group = group.group
        self._executor = executor
        self._policy = policy
        self.name = router.name

    async def handle(self, records: Sequence[Record]) -> Sequence[Outcome]:
        messages = [self._message(record, self.name) for record in records]
        if not self._router.needs_exchanges:
            passed = await self._router.run(self._executor, messages)
            return self._outcomes(records, messages, passed)
        exchanges = [
            Exchange(Received(message, self._source, headers_of(record)))
            for record, message in zip(records, messages, strict=True)
        ]
        return self._outcomes(records, messages, await self._router.exchange(self._executor, exchanges))

    def _outcomes(
        self, records: Sequence[Record], messages: Sequence[Message], passed: Sequence[Passed]
    ) -> Sequence[Outcome]:
        return [self._outcome(*each) for each in zip(records, messages, passed, strict=True)]

    def _outcome(self, record: Record, message: Message, passed: Passed) -> Outcome:
        if passed.refusal is not None:
            return self._refused(passed)
        if passed.result is None or passed.trails is None:
            return Outcome("filtered", reason="stopped by a processor")
        detail = detail_of(passed.result, passed.trails)
        reason = failure_of(passed)
        if reason is not None and self._policy != "ignore":
            return Outcome("retry" if self._policy == "retry" else "invalid", reason=reason, detail=detail)
        try:
            effects = [*self._effects(record, message, passed), *self._responses(passed)]
        except BadInput as error:
            return Outcome("invalid", reason=str(error), detail=detail)
        return Outcome("done", effects, detail={**detail, **published(effects)})

    def _refused(self, passed: Passed) -> Outcome:
        """It did not run. A chain that cannot is waited for; a message that a processor failed is like one that
        a node failed."""
        if passed.is_waiting or self._policy == "retry":
            return Outcome("retry", reason=passed.refusal)
        return Outcome("done" if self._policy == "ignore" else "invalid", reason=passed.refusal)

    def _effects(self, record: Record, message: Message, passed: Passed) -> Sequence[Effect]:
        """With the run itself, where branches of it wait."""
        result = passed.result
        assert result is not None
        if not result.held:
            return result.effects
        origin = Origin(message, self.name, self._policy, record, self._group)
        return effects_of(result, passed.chain, origin, self._executor.clock.now_ms())

    def _responses(self, passed: Passed) -> Sequence[Effect]:
        """Of the ends whose processors went through."""
        now_ms = self._executor.clock.now_ms()
        found = []
        for index, exchange in enumerate(passed.answers if self._integration else ()):
            if exchange.failure is None:
                id_ = f"{exchange.in_.message.id}:response:{index}"
                publication = response(exchange, id_, self._integration, now_ms)
                if publication is not None:
                    found.append(Publish(publication))
        return found


def message_of(record: Record, route: str) -> Message:
    """As RuleGo makes it, and what it leaves out: offset and timestamp."""
    metadata = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp_ms),
        "_triggerSource": "endpoint",
    }
    if record.key is not None:
        metadata["key"] = record.key.decode("utf-8", "replace")
    place = (route, record.integration, record.topic_id, record.topic, record.partition, record.offset)
    id_ = derived_id(record.timestamp_ms, *place)
    return Message(id_, record.timestamp_ms, record.topic, record.value or b"", metadata)


def headers_of(record: Record) -> dict[str, str]:
    """As text; of several with one name the last. `topic` is where the record is from, as RuleGo has it."""
    headers = {name: value.decode("utf-8", "replace") for name, value in record.headers if value is not None}
    return {**headers, "topic": record.topic}


def failure_of(passed: Passed) -> str | None:
    """Why the record failed, where a branch of it did, or a processor after the chain."""
    assert passed.result is not None
    reasons = [f"{end.node}: {end.error or 'failed'}" for end in passed.result.failures]
    if passed.result.held and not passed.chain:
        reasons.append("a node that waits must be in a chain")
    reasons += [exchange.failure for exchange in passed.answers if exchange.failure is not None]
    return "; ".join(reasons) or None


def detail_of(result: Result, trails: Trails) -> Mapping[str, Any]:
    """Which way each branch went, for those who ask later."""
    ends = []
    for end in result.ends:
        way: dict[str, Any] = {"way": [*trails.way(end.trail), (end.node, end.relation)]}
        if end.error is not None:
            way["error"] = end.error
        ends.append(way)
    return {"ends": ends, "waits": list(waits_json(result))} if result.held else {"ends": ends}


def published(effects: Sequence[Effect]) -> Mapping[str, Any]:
    """The topics that these publish to, each once; nothing where there are none. Only of a record that is done: what
    a failed one would have published never happens."""
    publications = [effect.publication for effect in effects if isinstance(effect, Publish)]
    topics = list(dict.fromkeys(f"{each.integration}:{each.topic}" for each in publications))
    return {"published": topics} if topics else {}
