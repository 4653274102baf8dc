"""Starts the executions of one batch: new ones, unless an idempotency key names one that is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from tidemill.core.errors import BadInput, TidemillError
from tidemill.core.findings import Finding
from tidemill.ingest.effect import EffectGroup
from tidemill.workflows.decider import decider
from tidemill.workflows.decider.decider import Refused
from tidemill.workflows.effects import StartWorkflow
from tidemill.workflows.engine.draft import Draft
from tidemill.workflows.engine.starts import (
    IdempotencyKey,
    KeyBefore,
    Keys,
    check_texts,
    execution_named,
    input_of,
    key_of,
    new_execution,
)
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.plans.shapes import Check
from tidemill.workflows.ports import IdempotencyRow, Plans
from tidemill.workflows.state.decision import Decision, IsPolled
from tidemill.workflows.state.expansion import Expansions


class Unjudged(Exception):
    """The start has to wait: whether its input is as it has to be is not known. Never leaves the engine."""


class Starter:
    """Adds to `drafts`, which are those of the batch."""

    def __init__(
        self,
        now_ms: int,
        plans: Plans,
        drafts: dict[str, Draft],
        keys: Keys,
        expansions: Expansions,
        is_polled: IsPolled,
    ) -> None:
        self._now_ms = now_ms
        self._plans = plans
        self._drafts = drafts
        self._keys = keys
        self._expansions = expansions
        self._is_polled = is_polled
        self._judged: dict[str, Sequence[Finding]] = {}
        """By execution: what is wrong with the inputs that have been judged."""

    def start(self, start: StartWorkflow, group: EffectGroup) -> str:
        """The id of the execution. Raises `Refused`, or `Unjudged`."""
        check_texts(start)
        named = execution_named(self._keys, start, self._is_running)
        if named is not None:
            return named
        try:
            plan = self._plan_of(start)
        except TidemillError as error:
            raise Refused(error) from error
        execution = new_execution(start, plan, group, self._now_ms)
        if plan.input_shape is not None:
            self._require_fit(start)
        decision = Decision(execution, plan, self._now_ms, self._expansions, self._is_polled)
        self._drafts[start.execution_id] = Draft(decision, 0)
        self._keys.take(start)
        decider.start(decision)
        return start.execution_id

    def _plan_of(self, start: StartWorkflow) -> Plan:
        if start.definition is not None:
            return self._plans.unregistered(start.definition)
        return self._plans.latest(start.name, start.version)

    def _is_running(self, execution_id: str) -> bool:
        draft = self._drafts.get(execution_id)
        return draft is not None and draft.decision.execution.is_running

    # --- inputs

    def unjudged(self, starts: Iterable[StartWorkflow]) -> dict[str, Check]:
        """By execution: the inputs that have to be judged before these can start."""
        checks: dict[str, Check] = {}
        judging: dict[tuple[str, int | None], Plan | None] = {}
        for start in starts:
            named = (start.name, start.version)
            if start.definition is not None:
                plan = self._judging_plan(start)
            else:
                if named not in judging:
                    judging[named] = self._judging_plan(start)
                plan = judging[named]
            if plan is not None and plan.input_shape is not None and not self._is_known(start.execution_id):
                # What cannot start says so when it is to start.
                with suppress(Refused):
                    checks[start.execution_id] = Check(plan.input_shape, input_of(start, plan), "input")
        return checks

    def _judging_plan(self, start: StartWorkflow) -> Plan | None:
        """None where there is nothing to judge."""
        with suppress(TidemillError):
            plan = self._plan_of(start)
            return plan if plan.input_shape is not None else None
        return None

    def _is_known(self, execution_id: str) -> bool:
        return execution_id in self._drafts or execution_id in self._judged

    def judged(self, findings: Mapping[str, Sequence[Finding]]) -> None:
        self._judged |= findings

    def _require_fit(self, start: StartWorkflow) -> None:
        findings = self._judged.get(start.execution_id)
        if findings is None:
            raise Unjudged
        if findings:
            raise Refused(BadInput(findings))

    # --- idempotency keys

    @property
    def key_rows(self) -> list[IdempotencyRow]:
        """What is to be written."""
        return list(self._keys.rows.values())

    def unknown_keys(self, starts: Sequence[StartWorkflow]) -> list[IdempotencyKey]:
        """Those that the database has not been asked for, or does not have."""
        keys = dict.fromkeys(key for start in starts if (key := key_of(start)) is not None)
        return [key for key in keys if key not in self._keys.stored]

    def learn(self, taken: Mapping[IdempotencyKey, str]) -> None:
        """What the database has said."""
        self._keys.learn(taken)

    def key_before(self, key: IdempotencyKey) -> KeyBefore:
        return self._keys.before(key)

    def put_back(self, keys: Mapping[IdempotencyKey, KeyBefore]) -> None:
        for key, before in keys.items():
            self._keys.put_back(key, before)
