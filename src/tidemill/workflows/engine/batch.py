"""One call of the engine: the executions that it touches, decided on in memory, one effect at a time.

Works on what was loaded before and writes nothing; the engine does both. A group of effects that is refused
half-way leaves no trace: what it touched is put back as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tidemill.core.errors import BadInput, Conflict, NotFound, TidemillError
from tidemill.ingest.effect import Effect, EffectGroup, Verdict
from tidemill.ingest.publication import PublicationRefused, Published
from tidemill.workflows.decider import decider, operations, revival
from tidemill.workflows.decider.decider import Refused
from tidemill.workflows.effects import (
    ChildEnded,
    ResetCallbacks,
    RetryChild,
    StartWorkflow,
    TakeTurn,
    TaskPolled,
    TerminateExecution,
    TimerFired,
    UpdateTask,
    UpdateVariables,
)
from tidemill.workflows.engine.draft import Draft
from tidemill.workflows.engine.families import Families
from tidemill.workflows.engine.pending import Pending
from tidemill.workflows.engine.starter import Starter, Unjudged
from tidemill.workflows.engine.starts import IdempotencyKey, KeyBefore, key_of
from tidemill.workflows.engine.strays import Strays
from tidemill.workflows.flow.announcements import announcements
from tidemill.workflows.flow.notices import ended_notice
from tidemill.workflows.ports import Changes, Plans, Timer
from tidemill.workflows.state.decision import Alarm, Decision
from tidemill.workflows.state.departed import NotRead
from tidemill.workflows.state.state import execution_of


class Run(msgspec.Struct):
    """How far a group has come. It stops at an execution that waits for the sandbox, and goes on later.
    What it found is kept where it has several effects, to be put back if one of them is refused."""

    index: int
    group: EffectGroup
    results: list[Any] = []
    drafts_before: dict[str, Draft | None] = {}
    keys_before: dict[IdempotencyKey, KeyBefore] = {}


def targets(effect: Effect) -> str:
    """The id of the execution that the effect is about."""
    return _TARGETS[type(effect)](effect)


_EVENTS_WITH_PLANS: Mapping[type[Any], Callable[[Decision, Any, Plans], Any]] = {
    **operations.EVENTS_WITH_PLANS,
    **revival.EVENTS_WITH_PLANS,
}
_OPERATIONS = frozenset({*operations.EVENTS, *revival.EVENTS, *_EVENTS_WITH_PLANS})
ASKING = frozenset({StartWorkflow, *_EVENTS_WITH_PLANS})
"""Effects that ask for the definitions of now."""
WHOLE = frozenset({*revival.EVENTS, *revival.EVENTS_WITH_PLANS, *operations.WHOLE})
"""Effects that need all tasks of their execution, also those that have left its document."""

_TARGETS: Mapping[type[Any], Callable[[Any], str]] = {
    **dict.fromkeys(_OPERATIONS, lambda effect: effect.execution_id),
    StartWorkflow: lambda effect: effect.execution_id,
    UpdateTask: lambda effect: effect.execution_id or execution_of(effect.task_id or ""),
    TaskPolled: lambda effect: execution_of(effect.task_id),
    TakeTurn: lambda effect: effect.execution_id,
    TerminateExecution: lambda effect: effect.execution_id,
    ResetCallbacks: lambda effect: effect.execution_id,
    UpdateVariables: lambda effect: effect.execution_id,
    TimerFired: lambda effect: effect.execution_id,
    ChildEnded: lambda effect: effect.execution_id,
    Published: lambda effect: execution_of(effect.origin),
    PublicationRefused: lambda effect: execution_of(effect.origin),
}

_EVENTS: Mapping[type[Any], Callable[[Decision, Any], Any]] = {
    **operations.EVENTS,
    **revival.EVENTS,
    UpdateTask: decider.task_updated,
    TaskPolled: decider.task_polled,
    TakeTurn: decider.turn_taken,
    ResetCallbacks: decider.callbacks_reset,
    TerminateExecution: decider.terminated,
    UpdateVariables: decider.variables_updated,
    TimerFired: decider.timer_fired,
    Published: decider.published,
    PublicationRefused: decider.publication_refused,
}

_ANSWERS = (TimerFired, ChildEnded, RetryChild, Published, PublicationRefused)
"""What the engine asked for itself: without its execution it is settled, not refused."""


class Batch:
    def __init__(self, plans: Plans, drafts: dict[str, Draft], starter: Starter) -> None:
        self._plans = plans
        self._drafts = drafts
        self.starter = starter
        self.pending = Pending()
        self._timers: list[Timer] = []
        self._timers_gone: list[str] = []
        self.families = Families(drafts, starter, self.pending)
        self.strays = Strays(drafts, plans, self.pending.change)
        self.verdicts: dict[int, Verdict] = {}

    # --- groups -------------------------------------------------------------------------------------

    def advance(self, runs: Iterable[Run]) -> list[Run]:
        """Applies what can be, in order. Returns the runs that wait for an answer, or behind one that does."""
        held: set[Any] = set()
        waiting = []
        for run in runs:
            if (held and not held.isdisjoint(_touched(run.group))) or not self._apply(run):
                held.update(_touched(run.group))
                waiting.append(run)
        return waiting

    def _apply(self, run: Run) -> bool:
        """False if it has to wait."""
        effects = run.group.effects
        while len(run.results) < len(effects):
            effect = effects[len(run.results)]
            target = targets(effect)
            draft = self._drafts.get(target)
            if draft is not None and draft.is_waiting:
                return False
            if len(effects) > 1:
                self._remember(run, effect, target, draft)
            try:
                run.results.append(self._apply_one(effect, target, draft, run.group))
            except (NotRead, Unjudged):
                return False
            except Refused as refused:
                self._undo(run)
                self.verdicts[run.index] = Verdict(error=refused.error, is_retryable=refused.is_retryable)
                return True
        self.verdicts[run.index] = Verdict(run.results)
        return True

    def _apply_one(self, effect: Effect, target: str, draft: Draft | None, group: EffectGroup) -> Any:
        kind = type(effect)
        if kind is StartWorkflow:
            return target if draft is not None else self._start(effect, group)
        if draft is None:
            return self._without_execution(effect, target)
        hops = draft.decision.execution.hops
        draft.decision.execution.hops = max(hops, group.hops)
        try:
            return self.pending.change(draft, self._event(kind, effect))
        except (Refused, NotRead):
            draft.decision.execution.hops = hops
            raise

    def _event(self, kind: type[Any], effect: Any) -> Callable[[Decision], Any]:
        if kind is ChildEnded:
            child = self._drafts.get(effect.child)
            ended = child.decision.execution if child is not None else None
            return lambda decision: decider.child_ended(decision, effect, ended)
        if kind in _EVENTS_WITH_PLANS:
            return lambda decision: _EVENTS_WITH_PLANS[kind](decision, effect, self._plans)
        return lambda decision: _EVENTS[kind](decision, effect)

    def _start(self, start: StartWorkflow, group: EffectGroup) -> str:
        named = self.starter.start(start, group)
        if start.execution_id in self._drafts:
            self.pending.moved(self._drafts[start.execution_id])
        return named

    def _without_execution(self, effect: Effect, execution_id: str) -> None:
        if isinstance(effect, TimerFired | ChildEnded | RetryChild):
            self._timers_gone.append(effect.timer_id)
        if isinstance(effect, RetryChild):
            # Its parent waits for it, and is to hear that it has been removed.
            self._timers.append(ended_notice(effect.execution_id, effect.below.parent, due_ms=0))
        if not isinstance(effect, _ANSWERS):
            raise Refused(_missing(effect, execution_id))

    def _remember(self, run: Run, effect: Effect, target: str, draft: Draft | None) -> None:
        if target not in run.drafts_before:
            run.drafts_before[target] = draft.copy() if draft is not None else None
        key = key_of(effect) if isinstance(effect, StartWorkflow) else None
        if key is not None:
            run.keys_before.setdefault(key, self.starter.key_before(key))

    def _undo(self, run: Run) -> None:
        for target, draft in run.drafts_before.items():
            if draft is None:
                self._drafts.pop(target, None)
            else:
                self._drafts[target] = draft
        self.starter.put_back(run.keys_before)

    def settled(self, groups: Sequence[EffectGroup]) -> list[Verdict]:
        """The verdicts, in order. Who polled for a task is given it as it is stored, whatever happened to it since."""
        verdicts = [self.verdicts[index] for index in range(len(groups))]
        return [
            _with_task(verdict, self._drafts)
            if isinstance(group.effects[0], TaskPolled) and verdict.error is None
            else verdict
            for group, verdict in zip(groups, verdicts, strict=True)
        ]

    def meet(self) -> None:
        """Starts what executions ask for, and tells parents, once no group can be undone any more."""
        for draft in self.families.meet():
            self.pending.moved(draft)

    # --- the end ------------------------------------------------------------------------------------

    def encode(self) -> None:
        """Makes the rows. An execution that is too large fails, and may then ask for its failure workflow."""
        for draft in self._drafts.values():
            if draft.row is None and draft.decision.is_changed:
                draft.encode()

    def alarms(self) -> list[Alarm]:
        return [alarm for draft in self._drafts.values() for alarm in draft.decision.alarms]

    def changes(self, definitions_revision: int | None) -> Changes:
        changes = Changes(
            timers=self._timers,
            timers_gone=self._timers_gone,
            idempotency=self.starter.key_rows,
            definitions_revision=definitions_revision,
        )
        for draft in self._drafts.values():
            if draft.row is not None:
                (changes.updates if draft.revision else changes.inserts).append(draft.row)
            decision = draft.decision
            if draft.finished:
                changes.finished.extend(draft.finished.values())
            if decision.is_moved and draft.row is not None:
                changes.moved.append(draft.row)
            changes.queued += decision.queued.values()
            changes.unqueued += decision.unqueued
            changes.timers += decision.timers.values()
            changes.timers_gone += decision.timers_gone
            changes.publications += decision.publications
            if draft.row is not None:
                changes.publications.extend(announcements(decision, draft.revision))
            changes.logs.extend(decision.logs)
            changes.finished_gone.extend((decision.execution.id, seq) for seq in decision.returned)
            changes.cached.extend(decision.cached.values())
            if decision.is_turn_over and decision.execution.rate_key is not None:
                changes.turns_gone.append((decision.execution.id, decision.execution.rate_key))
            elif decision.turn is not None:
                changes.turns.append(decision.turn)
        return changes


def _with_task(verdict: Verdict, drafts: Mapping[str, Draft]) -> Verdict:
    task_id = verdict.results[0]
    decision = drafts[execution_of(task_id)].decision
    task = decision.task(int(task_id.rpartition(".")[2]))
    return Verdict([(decision.execution, task, decision.plan), *verdict.results[1:]])


def _touched(group: EffectGroup) -> set[Any]:
    """Executions and idempotency keys: groups that share one keep their order."""
    touched: set[Any] = {targets(effect) for effect in group.effects}
    touched.update(key_of(effect) for effect in group.effects if isinstance(effect, StartWorkflow))
    touched.discard(None)
    return touched


def _missing(effect: Effect, execution_id: str) -> TidemillError:
    if isinstance(effect, TaskPolled):
        return Conflict(f"task {effect.task_id} is not waiting for a worker")
    if isinstance(effect, UpdateTask) and effect.task_id is None and effect.execution_id is None:
        return BadInput("a task is named by its id, or by its execution and its reference name")
    if isinstance(effect, UpdateTask) and effect.execution_id is None:
        return NotFound(f"there is no task {effect.task_id}")
    return NotFound(f"there is no execution {execution_id}")
