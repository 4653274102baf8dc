"""A lane: the records of a batch that take one route from one partition, in order.

Here is decided, purely, which of them are settled and which must wait. Order is kept within a lane:
behind a record that must be tried again, everything waits. Writes and awaits nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from tidemill.ingest.effect import EffectGroup, Verdict
from tidemill.ingest.ports import Parked
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.route import Outcome
from tidemill.ingest.subscription import Subscription


@dataclass(slots=True)
class Lane:
    """`parked` is parallel to `records` where they come out of parking, and empty where they are new.
    In a blocked lane nothing is tried: its records go behind those that are parked already.

    Records before `stop` are settled by their outcomes and verdicts; from `stop` on they wait.
    """

    subscription: Subscription
    partition: PartitionKey
    records: Sequence[Record]
    parked: Sequence[Parked] = ()
    is_blocked: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    stop: int = 0
    cause: str = field(init=False)
    """How the causes of its records' effects begin."""

    def __post_init__(self) -> None:
        first = self.records[0]
        self.cause = f"kafka:{first.integration}:{first.topic}:{first.partition}:"

    def take_outcomes(self, outcomes: list[Outcome]) -> None:
        self.outcomes = outcomes
        self.stop = len(self.outcomes)
        for index, outcome in enumerate(self.outcomes):
            if outcome.kind == "retry" and self.try_again(index, outcome):
                return

    def try_again(self, index: int, outcome: Outcome) -> bool:
        """The record failed for now: the lane stops at it, unless it has been tried for long enough."""
        attempts = self.attempts(index) + 1
        if self.subscription.retry.is_over(attempts):
            reason = f"gave up after {attempts} attempts: {outcome.reason or 'no reason given'}"
            self.outcomes[index] = Outcome("invalid", reason=reason, detail=outcome.detail)
            return False
        self.outcomes[index] = outcome
        self.stop = index
        return True

    def attempts(self, index: int) -> int:
        return self.parked[index].attempts if self.parked else 0

    def final(self, index: int) -> tuple[Outcome, Verdict | None]:
        """What became of a settled record; an error of the door makes it invalid."""
        outcome = self.outcomes[index]
        verdict = self.verdicts.get(index) if outcome.kind == "done" else None
        if verdict is None or verdict.error is None:
            return outcome, verdict
        return Outcome("invalid", reason=str(verdict.error), detail=outcome.detail), verdict


Owner = tuple[Lane, int]
"""A record in a lane, as the owner of an effect group."""


def effect_groups(lanes: Sequence[Lane]) -> tuple[list[EffectGroup], list[Owner]]:
    """The groups for the door, in offset order per partition, and parallel to them whose they are."""
    by_partition: dict[PartitionKey, list[Lane]] = {}
    for lane in lanes:
        by_partition.setdefault(lane.partition, []).append(lane)
    groups: list[EffectGroup] = []
    owners: list[Owner] = []
    for together in by_partition.values():
        found = list(chain.from_iterable(map(_with_effects, together)))
        if len(together) > 1:
            found.sort(key=_offset)  # stable: at one offset the subscriptions keep their order
        groups += [
            EffectGroup(lane.outcomes[index].effects, f"{lane.cause}{lane.records[index].offset}")
            if not lane.records[index].headers
            else _group(lane, index)
            for lane, index in found
        ]
        owners += found
    return groups, owners


def take_verdicts(owners: Sequence[Owner], verdicts: Sequence[Verdict]) -> bool:
    """Enters the verdicts. False if a group must not be written after all, because an earlier one of its
    lane has to wait: then the door is to be asked again with the groups that are left."""
    is_final = True
    for (lane, index), verdict in zip(owners, verdicts, strict=True):
        if index >= lane.stop:
            is_final = False
            continue
        lane.verdicts[index] = verdict
        if verdict.error is not None and verdict.is_retryable:
            lane.try_again(index, Outcome("retry", reason=str(verdict.error), detail=lane.outcomes[index].detail))
    return is_final


def _with_effects(lane: Lane) -> list[Owner]:
    outcomes = lane.outcomes
    return [(lane, i) for i in range(lane.stop) if outcomes[i].effects and outcomes[i].kind == "done"]


def _offset(owner: Owner) -> int:
    lane, index = owner
    return lane.records[index].offset


def _group(lane: Lane, index: int) -> EffectGroup:
    record = lane.records[index]
    cause = f"{lane.cause}{record.offset}"
    return EffectGroup(lane.outcomes[index].effects, cause, record.hops, record.traceparent)
