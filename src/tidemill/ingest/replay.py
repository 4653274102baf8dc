"""Dead letters on their second way: replayed by the route as it is now, or discarded. One letter per call.

A replay is out of order by nature; whoever asks for it decides that this is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.core.clock import Clock
from tidemill.core.errors import Conflict, StaleWrite
from tidemill.core.transaction import Transactions
from tidemill.ingest.effect import REPEATS_MAX, EffectDoor, EffectGroup, Prepared, Verdict
from tidemill.ingest.ports import DeadLetter, Places, Seen, SeenRun
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.route import Outcome, Route
from tidemill.ingest.subscription import Subscriptions, SubscriptionSet


class Replayer:
    def __init__(
        self,
        subscriptions: Subscriptions,
        door: EffectDoor,
        transactions: Transactions,
        places: Places,
        clock: Clock,
        routes: Sequence[Route] = (),
    ) -> None:
        """`routes` are those that read no topic."""
        self._routes = routes
        self._subscriptions = subscriptions
        self._door = door
        self._transactions = transactions
        self._places = places
        self._clock = clock

    async def replay(self, letter_id: str, author: str) -> Mapping[str, Any]:
        """Says what became of it: `state` is `replayed`, or still `open` with the `reason` why it failed again.

        Raises `NotFound`, `Conflict` where the letter is settled or its route is not at work, `Unavailable`."""
        for _ in range(REPEATS_MAX):
            letter = await self._open(letter_id)
            current = await self._subscriptions.current()
            outcome, verdict, prepared = await self._run(self._route(current, letter), letter)
            if reason := _failure(outcome, verdict):
                return _answer(letter, "open", "invalid" if outcome.kind == "done" else outcome.kind, reason=reason)
            try:
                await self._settle(letter, current.revision, outcome, verdict, prepared, author)
            except StaleWrite:
                continue
            told = [result for result in verdict.results if result is not None]
            published = outcome.detail.get("published")
            return _answer(letter, "replayed", outcome.kind, told, published=published, reason=outcome.reason)
        raise Conflict(f"dead letter {letter_id} cannot be replayed now: other writers keep changing what it touches")

    async def discard(self, letter_id: str, author: str) -> Mapping[str, Any]:
        """Raises `NotFound`, and `Conflict` where it is settled. `author` is for the audit log of the caller."""
        letter = await self._open(letter_id)
        async with self._transactions.begin() as tx:
            await self._places.dead_letters.settle(tx, letter_id, "discarded")
        return _answer(letter, "discarded", None)

    async def _open(self, letter_id: str) -> DeadLetter:
        letter = await self._places.dead_letters.get(letter_id)
        if letter.state != "open":
            raise Conflict(f"dead letter {letter_id} is {letter.state} already")
        return letter

    def _route(self, current: SubscriptionSet, letter: DeadLetter) -> Route:
        groups = (*current.groups.values(), current.by_time)
        subscribed = (each.route for subscriptions in groups for each in subscriptions)
        for route in (*self._routes, *subscribed):
            if route.name == letter.route:
                return route
        raise Conflict(f"{letter.route} is not at work: switch it on, or discard the letter")

    async def _run(self, route: Route, letter: DeadLetter) -> tuple[Outcome, Verdict, Prepared | None]:
        record = letter.record
        (outcome,) = await route.handle([record])
        if outcome.kind != "done" or not outcome.effects:
            return outcome, Verdict(), None
        cause = f"kafka:{record.integration}:{record.topic}:{record.partition}:{record.offset}"
        prepared = await self._door.prepare([EffectGroup(outcome.effects, cause, record.hops, record.traceparent)])
        return outcome, prepared.verdicts[0], prepared

    async def _settle(
        self,
        letter: DeadLetter,
        revision: int,
        outcome: Outcome,
        verdict: Verdict,
        prepared: Prepared | None,
        author: str,
    ) -> None:
        """Settling is what fences: of two replays at once, one transaction finds the letter open."""
        record = letter.record
        detail = {**outcome.detail, "replayedBy": author}
        seen = Seen(record.offset, outcome.kind, self._clock.now_ms(), verdict.results, outcome.reason, detail)
        where = PartitionKey(record.topic, record.partition)
        async with self._transactions.begin() as tx:
            await self._subscriptions.verify(tx, revision)
            await self._places.dead_letters.settle(tx, letter.id, "replayed")
            if prepared is not None:
                await prepared.write(tx)
            run = SeenRun(letter.route, record.integration, where, record.topic_id, [seen])
            await self._places.history.add(tx, [run])
        if prepared is not None:
            prepared.committed()


def _failure(outcome: Outcome, verdict: Verdict) -> str | None:
    if outcome.kind in ("retry", "invalid"):
        return outcome.reason or "no reason given"
    return str(verdict.error) if verdict.error is not None else None


def _answer(
    letter: DeadLetter,
    state: str,
    outcome: str | None,
    results: Sequence[Any] = (),
    *,
    published: Any = None,
    reason: str | None = None,
) -> Mapping[str, Any]:
    """`results` are executions that were started or touched, `published` the topics that a rule chain published to."""
    answer = {"id": letter.id, "state": state, "outcome": outcome, "results": list(results), "published": published}
    answer["reason"] = reason
    return {name: value for name, value in answer.items() if value is not None}
