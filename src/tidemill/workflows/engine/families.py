"""What executions of one batch do to each other: children and failure workflows are started, parents told of ends.

Called when no group of effects can be undone any more. Reads nothing: what is not in the batch is told by timers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemill.ingest.effect import EffectGroup
from tidemill.workflows.decider import decider
from tidemill.workflows.decider.decider import Refused
from tidemill.workflows.effects import ChildEnded, StartWorkflow
from tidemill.workflows.engine.draft import Draft
from tidemill.workflows.engine.pending import Pending
from tidemill.workflows.engine.starter import Starter, Unjudged
from tidemill.workflows.engine.starts import IdempotencyKey
from tidemill.workflows.flow.notices import ended_id
from tidemill.workflows.state.decision import ChildStart, Decision
from tidemill.workflows.state.departed import NotRead
from tidemill.workflows.state.state import Execution, execution_of

STARTS_MAX = 1_000
"""How many children one batch starts: workflows that start each other are stored now and then."""


class Families:
    """`drafts` are those of the batch; the starter adds to them. Whatever cannot be done before finished tasks have
    been read is asked for again."""

    def __init__(self, drafts: Mapping[str, Draft], starter: Starter, pending: Pending) -> None:
        self._pending = pending
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

    @property
    def asked(self) -> list[StartWorkflow]:
        """What is to be started."""
        decisions = [draft.decision for draft in self._drafts.values()]
        children = [child.start for decision in decisions for child in decision.children]
        return [*children, *(start for decision in decisions for start in decision.starts)]

    def unknown_keys(self) -> list[IdempotencyKey]:
        """The idempotency keys of children that the database is to be asked for, for `learn`."""
        children = (child.start for draft in self._drafts.values() for child in draft.decision.children)
        return self._starter.unknown_keys(list(children))

    def learn(self, taken: Mapping[IdempotencyKey, str]) -> None:
        self._starter.learn(taken)

    def meet(self) -> Sequence[Draft]:
        """One round; returns the drafts that have moved. What they ask for is for the next one."""
        moved: list[Draft] = []
        for draft in list(self._drafts.values()):
            if draft.decision.children:
                moved += self._start_children(draft)
            if draft.decision.starts:
                moved += self._start_failure_workflows(draft)
            if draft.decision.tells_parent and not draft.is_waiting:
                moved += self._tell_parent(draft)
        for draft in moved:
            draft.row = None
        return moved

    def _start_children(self, draft: Draft) -> list[Draft]:
        children, draft.decision.children = draft.decision.children, []
        moved = [draft]
        for index, child in enumerate(children):
            try:
                moved += self._start_child(draft, child)
            except (NotRead, Unjudged):
                draft.decision.children = [*draft.decision.children, *children[index:]]
                break
        return moved

    def _start_child(self, draft: Draft, child: ChildStart) -> list[Draft]:
        named = child.start.execution_id
        if named not in self._drafts:
            if self._started >= STARTS_MAX:
                decider.child_deferred(draft.decision, child)
                return []
            try:
                cause = f"task {_task_id(draft.decision, child)}"
                named = self._starter.start(child.start, _group(draft.decision.execution, cause))
            except Refused as refused:
                reason = str(refused.error)
                self._pending.change(draft, lambda decision: decider.child_refused(decision, child, reason))
                return []
            self._started += 1
        self._pending.change(draft, lambda decision: decider.child_started(decision, child, named))
        return [self._drafts.get(named, draft)]

    def _start_failure_workflows(self, draft: Draft) -> list[Draft]:
        execution = draft.decision.execution
        starts, draft.decision.starts = draft.decision.starts, []
        try:
            group = _group(execution, f"failure of {execution.id}", hops=1)
            return [self._drafts[self._starter.start(start, group)] for start in starts]
        except Unjudged:
            draft.decision.starts = starts
            return []
        except Refused as refused:
            execution.failure_execution = None
            execution.reason = f"{execution.reason}; its failure workflow did not start: {refused.error}"
            return [draft]

    def _tell_parent(self, draft: Draft) -> list[Draft]:
        """At once where the parent is here; else the timer that the child has left does."""
        decision = draft.decision
        child = decision.execution
        parent = self._drafts.get(execution_of(child.parent or ""))
        if parent is not None:
            seq = int((child.parent or "").rpartition(".")[2])
            event = ChildEnded(ended_id(child.id), parent.decision.execution.id, seq, child.id)
            try:
                self._pending.change(parent, lambda told: decider.child_ended(told, event, child))
            except NotRead:
                return [parent]
            decision.timers.pop(ended_id(child.id), None)
        decision.tells_parent = False
        return [] if parent is None else [parent]


def _task_id(decision: Decision, child: ChildStart) -> str:
    return f"{decision.execution.id}.{child.seq}"


def _group(execution: Execution, cause: str, hops: int = 0) -> EffectGroup:
    return EffectGroup((), cause, execution.hops + hops, execution.traceparent)
