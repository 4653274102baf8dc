"""The one door through which executions change: reads, decides in memory, asks the sandbox, and writes at the end.

A thousand effects cost one read, one sandbox call per script, and one handful of statements.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from tidemill.core.clock import Clock
from tidemill.core.codec import to_json
from tidemill.core.errors import BadInput, NotFound
from tidemill.core.metrics import timeouts
from tidemill.core.transaction import Transaction
from tidemill.ingest.effect import EffectGroup, Verdict
from tidemill.sandbox.script import Computed, Sandbox, Script
from tidemill.workflows.effects import ChildEnded, StartWorkflow
from tidemill.workflows.engine.batch import ASKING, WHOLE, Batch, Run, targets
from tidemill.workflows.engine.draft import Draft
from tidemill.workflows.engine.pending import Answer, PendingComputation
from tidemill.workflows.engine.starter import Starter
from tidemill.workflows.engine.starts import Keys, key_of
from tidemill.workflows.plans.judging import judge
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.plans.shapes import Check, misfits
from tidemill.workflows.ports import Changes, EngineStore, ExecutionRow, Plans, Unread
from tidemill.workflows.state.decision import Alarm, Decision, IsPolled, nobody_polls
from tidemill.workflows.state.expansion import Expansions
from tidemill.workflows.state.rows import execution_of_row, task_of
from tidemill.workflows.state.state import Execution, Task
from tidemill.workflows.tasks.directive import Compute

log = structlog.get_logger(__name__)

PlanKey = tuple[str, int, int]
"""Name, version and save."""


class Written(msgspec.Struct, frozen=True):
    """What a committed batch has for whom: integrations that got publications, names of tasks that got into
    a queue, when the first of the new timers is due, and the executions: the new ones, and the others."""

    integrations: frozenset[str]
    task_names: frozenset[str]
    next_due_ms: int | None
    rows: Sequence[Sequence[ExecutionRow]] = ()
    turn_keys: frozenset[str] = frozenset()
    """For which somebody waits, or has given back his turn."""


class Engine:
    """Implements `ingest.effect.EffectDoor`. `on_committed` is called after each commit; it must not block."""

    def __init__(
        self,
        store: EngineStore,
        plans: Plans,
        sandbox: Sandbox,
        clock: Clock,
        on_committed: Callable[[Written], None],
        is_polled: IsPolled = nobody_polls,
    ) -> None:
        self._is_polled = is_polled
        self._store = store
        self._plans = plans
        self._sandbox = sandbox
        self._clock = clock
        self._on_committed = on_committed
        self._expansions = Expansions()

    async def prepare(self, groups: Sequence[EffectGroup], verified: int | None = None) -> PreparedBatch:
        starts = [effect for group in groups for effect in group.effects if isinstance(effect, StartWorkflow)]
        kinds = {type(effect) for group in groups for effect in group.effects}
        revision = await self._revision(verified) if not kinds.isdisjoint(ASKING) else None
        batch = await self._load(groups, starts, is_whole=not kinds.isdisjoint(WHOLE))
        waiting = [Run(index, group) for index, group in enumerate(groups)]
        while waiting:
            if starts:
                await self._judge_inputs(batch, starts)
            waiting = batch.advance(waiting)
            await self._compute(batch)
        revision = await self._refuse_strays(batch, revision)
        is_encoded = False
        while batch.families.asks or not is_encoded:
            while batch.families.asks:
                revision = await self._meet(batch, revision)
            # What is too large now fails, and may ask for more.
            batch.encode()
            is_encoded = True
        return PreparedBatch(
            self._store, batch.settled(groups), batch.changes(revision), batch.alarms(), self._on_committed
        )

    async def _meet(self, batch: Batch, revision: int | None) -> int | None:
        if batch.families.asks_for_starts:
            revision = await self._plans.refresh() if revision is None else revision
            if keys := batch.families.unknown_keys():
                batch.families.learn(await self._store.idempotent(keys))
            await self._judge_inputs(batch, batch.families.asked)
        batch.meet()
        await self._compute(batch)
        return await self._refuse_strays(batch, revision)

    async def _revision(self, verified: int | None) -> int:
        return verified if verified == self._plans.revision and verified is not None else await self._plans.refresh()

    async def _load(self, groups: Sequence[EffectGroup], starts: Sequence[StartWorkflow], *, is_whole: bool) -> Batch:
        ids = {targets(effect): None for group in groups for effect in group.effects}
        wanted = {key: None for start in starts if (key := key_of(start)) is not None}
        taken = await self._store.idempotent(list(wanted)) if wanted else {}
        # Whether these still run decides if their key is free again.
        for start in starts:
            key = key_of(start)
            if key is not None and start.idempotency_strategy == "FAIL_ON_RUNNING" and key in taken:
                ids[taken[key]] = None
        ids.update(
            (effect.child, None) for group in groups for effect in group.effects if isinstance(effect, ChildEnded)
        )
        rows = await self._store.load(list(ids)) if ids else {}
        executions = [(execution_of_row(row), row.revision) for row in rows.values()]
        plans: dict[PlanKey, Plan | None] = {}
        now_ms = self._clock.now_ms()
        drafts = {
            execution.id: Draft(Decision(execution, plan, now_ms, self._expansions, self._is_polled), revision)
            for execution, revision in executions
            if (plan := await self._plan(execution, plans)) is not None
        }
        if is_whole:
            await self._complete({draft.decision.execution.id: draft.decision for draft in drafts.values()}, groups)
        keys = Keys(dict(taken), dict(taken))
        return Batch(self._plans, drafts, Starter(now_ms, self._plans, drafts, keys, self._expansions, self._is_polled))

    async def _complete(self, decisions: Mapping[str, Decision], groups: Sequence[EffectGroup]) -> None:
        """Brings back into their documents the tasks that have left them, for the effects that need all of them."""
        ids = {targets(effect) for group in groups for effect in group.effects if type(effect) in WHOLE}
        wanted = {id_: Unread(since=0) for id_ in ids if id_ in decisions and decisions[id_].execution.tasks_left}
        tasks: dict[str, list[Task]] = {}
        for finished in await self._store.finished(wanted) if wanted else ():
            tasks.setdefault(finished.execution_id, []).append(task_of(finished.document))
        for execution_id, found in tasks.items():
            decisions[execution_id].take_back(found)

    async def _plan(self, execution: Execution, known: dict[PlanKey, Plan | None]) -> Plan | None:
        """None for a plan that is lost: its executions cannot move, and must not hold up the others."""
        key = execution.name, execution.version, execution.save
        if execution.definition is None and key in known:
            return known[key]
        try:
            plan = await self._plans.at(*key, execution.definition)
        except (NotFound, BadInput) as error:
            log.error("plan of running executions is lost", workflow=key[0], version=key[1], error=str(error))
            plan = None
        if execution.definition is None:
            known[key] = plan
        return plan

    async def _refuse_strays(self, batch: Batch, revision: int | None) -> int | None:
        """Publications to integrations that do not exist would wait for ever: their tasks fail, in the transaction
        that would have written them. Returns the revision of the definitions that says so, if it was asked for."""
        while batch.strays.are_there:
            newest = await self._plans.refresh()
            # One that was asked for earlier stands for plans that were chosen by it.
            revision = newest if revision is None else revision
            batch.strays.refuse()
            await self._compute(batch)
        return revision

    async def _compute(self, batch: Batch) -> None:
        """Reads the finished tasks and outputs that are asked for, and runs all computations that are pending, those
        of one script in one call, until there are none."""
        while (
            (unread := batch.pending.unread())
            or (lookups := batch.pending.take_lookups())
            or (pending := batch.pending.take_computations())
        ):
            if unread:
                batch.pending.read(unread, await self._store.finished(unread))
                continue
            if lookups:
                keys = list({lookup.key: None for _, lookup in lookups})
                batch.pending.found(lookups, await self._store.cached(keys, self._clock.now_ms()))
                continue
            batch.pending.answer(await self._answers(pending))

    async def _answers(self, pending: Sequence[PendingComputation]) -> list[Answer]:
        by_script: dict[Script, list[PendingComputation]] = {}
        checks: list[PendingComputation] = []
        for item in pending:
            compute = item[1].compute
            if isinstance(compute, Check):
                checks.append(item)
            else:
                by_script.setdefault(compute.script, []).append(item)
        asked = [self._ask(script, items) for script, items in by_script.items()]
        if checks:
            asked.append(self._judge(checks))
        return [answer for answered in await asyncio.gather(*asked) for answer in answered]

    async def _ask(self, script: Script, items: Sequence[PendingComputation]) -> list[Answer]:
        inputs = [to_json(compute.bindings) for _, each in items if isinstance(compute := each.compute, Compute)]
        return _with_answers(items, await self._sandbox.run(script, inputs))

    async def _judge(self, items: Sequence[PendingComputation]) -> list[Answer]:
        checks = [compute for _, each in items if isinstance(compute := each.compute, Check)]
        return _with_answers(items, await judge(self._sandbox, self._plans, checks))

    async def _judge_inputs(self, batch: Batch, starts: Sequence[StartWorkflow]) -> None:
        """What is wrong with the inputs of these executions, where their workflows say what inputs are like."""
        checks = batch.starter.unjudged(starts)
        if checks:
            answers = await judge(self._sandbox, self._plans, list(checks.values()))
            found = zip(checks.items(), answers, strict=True)
            batch.starter.judged({id_: misfits(check, answer) for (id_, check), answer in found})


def _with_answers(items: Sequence[PendingComputation], computed: Sequence[Computed]) -> list[Answer]:
    return [(draft, computation, answer) for (draft, computation), answer in zip(items, computed, strict=True)]


class PreparedBatch:
    """Implements `ingest.effect.Prepared`."""

    def __init__(
        self,
        store: EngineStore,
        verdicts: Sequence[Verdict],
        changes: Changes,
        alarms: Sequence[Alarm],
        on_committed: Callable[[Written], None],
    ) -> None:
        self.verdicts = verdicts
        self._alarms = alarms
        self.changes = changes
        self._store = store
        self._on_committed = on_committed

    async def write(self, tx: Transaction) -> None:
        if not _is_empty(self.changes):
            await self._store.write(tx, self.changes)

    def committed(self) -> None:
        for alarm in self._alarms:
            timeouts.labels(alarm.purpose, alarm.policy).inc()
            if alarm.policy == "alert":
                log.warning("overdue", who=alarm.who, workflow=alarm.workflow, limit=alarm.purpose, reason=alarm.reason)
        changes = self.changes
        self._on_committed(
            Written(
                frozenset(publication.integration for publication in changes.publications),
                frozenset(task.name for task in changes.queued if not task.is_held),
                min((timer.due_ms for timer in changes.timers), default=None),
                (changes.inserts, changes.updates),
                frozenset((*(turn.key for turn in changes.turns), *(key for _, key in changes.turns_gone))),
            )
        )


def _is_empty(changes: Changes) -> bool:
    return changes.definitions_revision is None and not (
        changes.inserts or changes.updates or changes.timers_gone or changes.unqueued
    )
