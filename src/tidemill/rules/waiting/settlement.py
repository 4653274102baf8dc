"""What becomes of runs that were taken up: gone, held on, tried again, dead letters. Decides; writes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidemill.core.ids import new_id
from tidemill.graph.node import Effect, End, Result
from tidemill.ingest.effect import EffectGroup, Verdict
from tidemill.ingest.ports import DeadLetter, Seen, SeenRun
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.subscription import RetryPolicy
from tidemill.rules.effects import topics_of
from tidemill.rules.waiting.held import HeldRun, RunAnswer
from tidemill.rules.waiting.holding import effects_of, holding, waits_json


class _Caused(msgspec.Struct, frozen=True):
    """A run that went on well: what that causes, and the run where it is held on."""

    run: HeldRun
    result: Result
    effects: Sequence[Effect]
    rest: HeldRun | None


class Settlement:
    """Of one batch of runs. `again` are those that are held on, `postponed` those that are tried again as they were."""

    def __init__(self, now_ms: int, retry: RetryPolicy = RetryPolicy()) -> None:  # noqa: B008 (frozen)
        self._now_ms = now_ms
        self._retry = retry
        self._caused: list[_Caused] = []
        self.failed: list[HeldRun] = []
        self.postponed: list[HeldRun] = []
        self.letters: list[DeadLetter] = []
        self._seen: list[SeenRun] = []
        self._failures: list[RunAnswer] = []

    @property
    def gone(self) -> Sequence[HeldRun]:
        return [*self.failed, *(each.run for each in self._caused if each.rest is None)]

    @property
    def again(self) -> Sequence[HeldRun]:
        return [each.rest for each in self._caused if each.rest is not None]

    @property
    def seen(self) -> Sequence[SeenRun]:
        """For the history of the records that the runs descend from."""
        well = [entry for each in self._caused if (entry := self._entry(each.run, "done", None, each))]
        return [*self._seen, *well]

    @property
    def answers(self) -> Sequence[RunAnswer]:
        """For those who ask."""
        ended = [each for each in self._caused if each.rest is None and each.run.origin.is_asked]
        well = [RunAnswer(each.run.id, [*each.run.ends, *each.result.ends]) for each in ended]
        return [*self._failures, *well]

    def enter(self, run: HeldRun, result: Result, refusal: str | None = None) -> None:
        """`refusal`: why it failed, though its branches did not."""
        reasons = [f"{end.node}: {end.error or 'failed'}" for end in result.failures]
        reason = "; ".join(reasons if refusal is None else [*reasons, refusal])
        if reason and run.origin.policy != "ignore":
            self.fail(run, reason, is_retryable=run.origin.policy == "retry")
            return
        if run.slot is not None:  # is free again, wherever the message waits now
            effects = effects_of(result, run.chain, run.origin, self._now_ms)
            self._caused.append(_Caused(run, result, effects, None))
            return
        found = holding(result, run.chain, run.origin, self._now_ms, run.id)
        ends = [*run.ends, *result.ends] if run.origin.is_asked else []
        rest = found.rest and msgspec.structs.replace(found.rest, revision=run.revision, ends=ends)
        self._caused.append(_Caused(run, result, found.effects, rest))

    def fail(self, run: HeldRun, reason: str, *, is_retryable: bool = False) -> None:
        """Nothing of what it caused this time happens."""
        attempts = run.attempts + 1
        if is_retryable and not self._retry.is_over(attempts):
            retry_ms = self._now_ms + self._retry.delay_ms(attempts)
            self.postponed.append(msgspec.structs.replace(run, attempts=attempts, retry_ms=retry_ms))
            return
        if is_retryable:
            reason = f"gave up after {attempts} attempts: {reason}"
        origin = run.origin
        record = origin.record or _by_hand(run)
        detail = {"chain": run.chain, "heldAt": run.shown_place}
        letter = DeadLetter(new_id(self._now_ms), origin.group, origin.route, record, reason, detail, self._now_ms)
        self.letters.append(letter)
        self.failed.append(run)
        if origin.is_asked:
            self._failures.append(RunAnswer(run.id, run.ends, reason))
        if entry := self._entry(run, "invalid", reason, None):
            self._seen.append(entry)

    def wait(self, run: HeldRun, delay_ms: int) -> None:
        """It cannot go on now, and that is no attempt of the run's."""
        self.postponed.append(msgspec.structs.replace(run, retry_ms=self._now_ms + delay_ms))

    def groups(self) -> Sequence[EffectGroup]:
        return [_group(each) for each in self._caused if each.effects]

    def refused(self, verdicts: Sequence[Verdict]) -> bool:
        """Enters what the door says of the groups; whether there are any that it does not take."""
        with_effects = [each for each in self._caused if each.effects]
        refused = [
            (each, verdict) for each, verdict in zip(with_effects, verdicts, strict=True) if verdict.error is not None
        ]
        for each, verdict in refused:
            self._caused.remove(each)
            is_retryable = verdict.is_retryable or each.run.origin.policy == "retry"
            self.fail(each.run, str(verdict.error), is_retryable=is_retryable)
        return bool(refused)

    def _entry(self, run: HeldRun, outcome: str, reason: str | None, caused: _Caused | None) -> SeenRun | None:
        record = run.origin.record
        if record is None:
            return None
        detail: dict[str, object] = {"chain": run.chain, "heldAt": run.shown_place}
        if caused is not None:
            detail["ends"] = [_shown(end) for end in caused.result.ends]
            if caused.result.is_held:
                detail["waits"] = list(waits_json(caused.result))
            if topics := topics_of(caused.effects):
                detail["published"] = list(topics)
        entry = Seen(record.offset, outcome, self._now_ms, (), reason, detail)
        where = PartitionKey(record.topic, record.partition)
        return SeenRun(run.origin.route, record.integration, where, record.topic_id, [entry])


def _shown(end: End) -> dict[str, object]:
    """As the route shows ends, but for the way there: it began where the message waited."""
    shown: dict[str, object] = {"way": [(end.node, end.relation)]}
    return shown if end.error is None else {**shown, "error": end.error}


def _group(each: _Caused) -> EffectGroup:
    origin = each.run.origin
    return EffectGroup(each.effects, origin.cause, origin.hops, origin.traceparent)


def _by_hand(run: HeldRun) -> Record:
    """What came from nowhere: the message, as if it had been a record."""
    message = run.origin.message
    return Record("", run.chain, "", -1, -1, message.ts_ms, message.type.encode("utf-8", "replace"), message.data)
