"""Starts the executions of one batch: new ones, unless an idempotency key names one that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemill.core.errors import TidemillError
from tidemill.ingest.effect import EffectGroup
from tidemill.workflows import decider
from tidemill.workflows.decider import Refused
from tidemill.workflows.decision import Decision, IsPolled
from tidemill.workflows.draft import Draft
from tidemill.workflows.effects import StartWorkflow
from tidemill.workflows.expansion import Expansions
from tidemill.workflows.plan import Plan
from tidemill.workflows.ports import IdempotencyRow, Plans
from tidemill.workflows.starts import (
    IdempotencyKey,
    KeyBefore,
    Keys,
    check_texts,
    execution_named,
    key_of,
    new_execution,
)


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

    def start(self, start: StartWorkflow, group: EffectGroup) -> str:
        """The id of the execution. Raises `Refused`."""
        check_texts(start)
        named = execution_named(self._keys, start, self._is_running)
        if named is not None:
            return named
        try:
            plan = self._plan_of(start)
        except TidemillError as error:
            raise Refused(error) from error
        execution = new_execution(start, plan, group, self._now_ms)
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
