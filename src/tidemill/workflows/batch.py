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
from tidemill.ingest.publication import Publication, PublicationRefused, Published
from tidemill.sandbox.script import Computed
from tidemill.workflows import decider
from tidemill.workflows.announcements import announcements
from tidemill.workflows.decider import Refused
from tidemill.workflows.decision import Alarm, Computation, Decision
from tidemill.workflows.draft import Draft
from tidemill.workflows.effects import (
    ChildEnded,
    StartWorkflow,
    TaskPolled,
    TerminateExecution,
    TimerFired,
    UpdateTask,
    UpdateVariables,
)
from tidemill.workflows.families import Families
from tidemill.workflows.flow import end
from tidemill.workflows.ports import Changes, ExecutionRow, Plans
from tidemill.workflows.rows import DOCUMENT_BYTES_MAX, row_of, shed
from tidemill.workflows.starter import Starter
from tidemill.workflows.starts import IdempotencyKey, KeyBefore, key_of
from tidemill.workflows.state import execution_of

PendingComputation = tuple[Decision, Computation]
Answer = tuple[Decision, Computation, Computed]


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


_TARGETS: Mapping[type[Any], Callable[[Any], str]] = {
    StartWorkflow: lambda effect: effect.execution_id,
    UpdateTask: lambda effect: effect.execution_id or execution_of(effect.task_id or ""),
    TaskPolled: lambda effect: execution_of(effect.task_id),
    TerminateExecution: lambda effect: effect.execution_id,
    UpdateVariables: lambda effect: effect.execution_id,
    TimerFired: lambda effect: effect.execution_id,
    ChildEnded: lambda effect: effect.execution_id,
    Published: lambda effect: execution_of(effect.origin),
    PublicationRefused: lambda effect: execution_of(effect.origin),
}

_EVENTS: Mapping[type[Any], Callable[[Decision, Any], Any]] = {
    UpdateTask: decider.task_updated,
    TaskPolled: decider.task_polled,
    TerminateExecution: decider.terminated,
    UpdateVariables: decider.variables_updated,
    TimerFired: decider.timer_fired,
    Published: decider.published,
    PublicationRefused: decider.publication_refused,
}

_ANSWERS = (TimerFired, ChildEnded, Published, PublicationRefused)
"""What the engine asked for itself: without its execution it is settled, not refused."""


class Batch:
    def __init__(self, plans: Plans, drafts: dict[str, Draft], starter: Starter) -> None:
        self._plans = plans
        self._drafts = drafts
        self._starter = starter
        self._pending: list[Decision] = []
        self._timers_gone: list[str] = []
        self.families = Families(drafts, starter)
        self.verdicts: dict[int, Verdict] = {}

    # --- groups -------------------------------------------------------------------------------------

    def advance(self, runs: Iterable[Run]) -> list[Run]:
        """Applies what can be, in order. Returns the runs that wait for the sandbox, or behind one that does."""
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
            if draft is not None and draft.decision.computations:
                return False
            if len(effects) > 1:
                self._remember(run, effect, target, draft)
            try:
                run.results.append(self._apply_one(effect, target, draft, run.group))
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
        decision = draft.decision
        hops = decision.execution.hops
        decision.execution.hops = max(hops, group.hops)
        try:
            result = self._tell(effect) if kind is ChildEnded else _EVENTS[kind](decision, effect)
        except Refused:
            decision.execution.hops = hops
            raise
        if decision.computations:
            self._pending.append(decision)
        return result

    def _start(self, start: StartWorkflow, group: EffectGroup) -> str:
        named = self._starter.start(start, group)
        draft = self._drafts.get(start.execution_id)
        if draft is not None and draft.decision.computations:
            self._pending.append(draft.decision)
        return named

    def _tell(self, event: ChildEnded) -> str:
        child = self._drafts.get(event.child)
        parent = self._drafts[event.execution_id].decision
        decider.child_ended(parent, event, child.decision.execution if child is not None else None)
        return event.execution_id

    def _without_execution(self, effect: Effect, execution_id: str) -> None:
        if isinstance(effect, TimerFired | ChildEnded):
            self._timers_gone.append(effect.timer_id)
        if not isinstance(effect, _ANSWERS):
            raise Refused(_missing(effect, execution_id))

    def _remember(self, run: Run, effect: Effect, target: str, draft: Draft | None) -> None:
        if target not in run.drafts_before:
            run.drafts_before[target] = draft.copy() if draft is not None else None
        key = key_of(effect) if isinstance(effect, StartWorkflow) else None
        if key is not None:
            run.keys_before.setdefault(key, self._starter.key_before(key))

    def _undo(self, run: Run) -> None:
        for target, draft in run.drafts_before.items():
            if draft is None:
                self._drafts.pop(target, None)
            else:
                self._drafts[target] = draft
        self._starter.put_back(run.keys_before)

    def settled(self, groups: Sequence[EffectGroup]) -> list[Verdict]:
        """The verdicts, in order. Who polled for a task is given it as it is stored, whatever happened to it since."""
        return [
            self._with_task(verdict) if isinstance(group.effects[0], TaskPolled) and verdict.error is None else verdict
            for group, verdict in ((group, self.verdicts[index]) for index, group in enumerate(groups))
        ]

    def _with_task(self, verdict: Verdict) -> Verdict:
        task_id = verdict.results[0]
        decision = self._drafts[execution_of(task_id)].decision
        task = decision.task(int(task_id.rpartition(".")[2]))
        return Verdict([(decision.execution, task, decision.plan), *verdict.results[1:]])

    def meet(self) -> None:
        """Starts what executions ask for, and tells parents, once no group can be undone any more."""
        self._pending.extend(decision for decision in self.families.meet() if decision.computations)

    # --- publications that can go nowhere -------------------------------------------------------------

    @property
    def has_strays(self) -> bool:
        """Whether an integration that is published to does not exist, as far as is known."""
        named = {each.integration for draft in self._drafts.values() for each in draft.decision.publications}
        return any(not self._plans.has_integration(name) for name in named)

    def refuse_strays(self) -> None:
        """Those that name a cluster go to its integration. The tasks of the others fail as if a broker had refused
        them. What comes next may publish, and stray, again."""
        for draft in self._drafts.values():
            decision = draft.decision
            named = [(each, self._plans.integration_of(each.integration)) for each in decision.publications]
            decision.publications = [_to(each, name) for each, name in named if name is not None]
            strays = [each for each, name in named if name is None]
            if not strays:
                continue
            for stray in strays:
                reason = f"there is no integration {stray.integration!r}"
                if ":" in stray.integration:
                    reason = f"no integration has the bootstrap servers {stray.integration}"
                decider.publication_refused(decision, PublicationRefused(stray.origin, stray.topic, reason))
            draft.row = None
            if decision.computations:
                self._pending.append(decision)

    # --- the sandbox --------------------------------------------------------------------------------

    def take_computations(self) -> list[PendingComputation]:
        pending = [(decision, computation) for decision in self._pending for computation in decision.computations]
        for decision in self._pending:
            decision.computations = []
        self._pending = []
        return pending

    def answer(self, answers: Sequence[Answer]) -> None:
        for decision, computation, computed in answers:
            decider.computed(decision, computation, computed)
        asked = dict.fromkeys(decision for decision, _, _ in answers)
        self._pending.extend(decision for decision in asked if decision.computations)

    # --- the end ------------------------------------------------------------------------------------

    def encode(self) -> None:
        """Makes the rows. An execution that is too large fails, and may then ask for its failure workflow."""
        for draft in self._drafts.values():
            if draft.row is None and draft.decision.is_changed:
                draft.row = _row(draft)

    def alarms(self) -> list[Alarm]:
        return [alarm for draft in self._drafts.values() for alarm in draft.decision.alarms]

    def changes(self, definitions_revision: int | None) -> Changes:
        changes = Changes(
            timers_gone=self._timers_gone,
            idempotency=self._starter.key_rows,
            definitions_revision=definitions_revision,
        )
        for draft in self._drafts.values():
            if draft.row is not None:
                (changes.updates if draft.revision else changes.inserts).append(draft.row)
            decision = draft.decision
            changes.queued.extend(decision.queued.values())
            changes.unqueued.extend(decision.unqueued)
            changes.timers.extend(decision.timers.values())
            changes.timers_gone.extend(decision.timers_gone)
            changes.publications.extend(decision.publications)
            if draft.row is not None:
                changes.publications.extend(announcements(decision, draft.revision))
            changes.logs.extend(decision.logs)
        return changes


def _row(draft: Draft) -> ExecutionRow:
    decision = draft.decision
    execution = decision.execution
    execution.updated_ms = decision.now_ms
    row = row_of(execution, draft.revision)
    if len(row.document) <= DOCUMENT_BYTES_MAX:
        return row
    reason = f"the execution would take {len(row.document):,} bytes; {DOCUMENT_BYTES_MAX:,} is the limit"
    shed(execution)
    decision.scope.clear()
    end(decision, "FAILED", reason, output=execution.output or {})
    return row_of(execution, draft.revision)


def _to(publication: Publication, integration: str) -> Publication:
    if publication.integration == integration:
        return publication
    return msgspec.structs.replace(publication, integration=integration)


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
