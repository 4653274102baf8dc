"""What executions of one batch do to each other: children and failure workflows are started, parents told of ends.

Called when no group of effects can be undone any more. Reads nothing: what is not in the batch is told by timers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemill.ingest.effect import EffectGroup
from tidemill.workflows import decider
from tidemill.workflows.decider import Refused
from tidemill.workflows.decision import ChildStart, Decision, ended_id
from tidemill.workflows.draft import Draft
from tidemill.workflows.effects import ChildEnded
from tidemill.workflows.starter import Starter
from tidemill.workflows.starts import IdempotencyKey
from tidemill.workflows.state import Execution, execution_of

STARTS_MAX = 1_000
"""How many children one batch starts: workflows that start each other are stored now and then."""


class Families:
    """`drafts` are those of the batch; the starter adds to them."""

    def __init__(self, drafts: Mapping[str, Draft], starter: Starter) -> None:
        self._drafts = drafts
        self._starter = starter
        self._started = 0

    @property
    def asks(self) -> bool:
        return any(
            decision.starts or decision.children or decision.tells_parent
            for decision in (draft.decision for draft in self._drafts.values())
        )

    @property
    def asks_for_starts(self) -> bool:
        return any(draft.decision.starts or draft.decision.children for draft in self._drafts.values())

    def unknown_keys(self) -> list[IdempotencyKey]:
        """The idempotency keys of children that the database is to be asked for, for `learn`."""
        children = (child.start for draft in self._drafts.values() for child in draft.decision.children)
        return self._starter.unknown_keys(list(children))

    def learn(self, taken: Mapping[IdempotencyKey, str]) -> None:
        self._starter.learn(taken)

    def meet(self) -> Sequence[Decision]:
        """One round; returns the decisions that have moved. What they ask for is for the next one."""
        moved: list[Draft] = []
        for draft in list(self._drafts.values()):
            if draft.decision.children:
                moved += self._start_children(draft)
            if draft.decision.starts:
                moved += self._start_failure_workflows(draft)
            if draft.decision.tells_parent:
                moved += self._tell_parent(draft)
        for draft in moved:
            draft.row = None
        return list(dict.fromkeys(draft.decision for draft in moved))

    def _start_children(self, draft: Draft) -> list[Draft]:
        decision = draft.decision
        children, decision.children = decision.children, []
        moved = [draft]
        for child in children:
            if self._started >= STARTS_MAX:
                decider.child_deferred(decision, child)
                continue
            try:
                named = self._starter.start(
                    child.start, _group(decision.execution, f"task {_task_id(decision, child)}")
                )
            except Refused as refused:
                decider.child_refused(decision, child, str(refused.error))
                continue
            self._started += 1
            decider.child_started(decision, child, named)
            moved.append(self._drafts.get(named, draft))
        return moved

    def _start_failure_workflows(self, draft: Draft) -> list[Draft]:
        execution = draft.decision.execution
        starts, draft.decision.starts = draft.decision.starts, []
        try:
            group = _group(execution, f"failure of {execution.id}", hops=1)
            return [self._drafts[self._starter.start(start, group)] for start in starts]
        except Refused as refused:
            execution.failure_execution = None
            execution.reason = f"{execution.reason}; its failure workflow did not start: {refused.error}"
            return [draft]

    def _tell_parent(self, draft: Draft) -> list[Draft]:
        """At once where the parent is here; else the timer that the child has left does."""
        decision = draft.decision
        decision.tells_parent = False
        child = decision.execution
        parent = self._drafts.get(execution_of(child.parent or ""))
        if parent is None:
            return []
        decision.timers.pop(ended_id(child.id), None)
        seq = int((child.parent or "").rpartition(".")[2])
        decider.child_ended(
            parent.decision, ChildEnded(ended_id(child.id), parent.decision.execution.id, seq, child.id), child
        )
        return [parent]


def _task_id(decision: Decision, child: ChildStart) -> str:
    return f"{decision.execution.id}.{child.seq}"


def _group(execution: Execution, cause: str, hops: int = 0) -> EffectGroup:
    return EffectGroup((), cause, execution.hops + hops, execution.traceparent)
