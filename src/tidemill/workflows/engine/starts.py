"""Starting an execution: which one an id or an idempotency key already names, else a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tidemill.core.errors import BadInput, Conflict
from tidemill.core.findings import Finding
from tidemill.ingest.effect import EffectGroup
from tidemill.workflows.decider.decider import Refused
from tidemill.workflows.effects import StartWorkflow, unfit
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.ports import IdempotencyRow
from tidemill.workflows.state.state import Execution

IdempotencyKey = tuple[str, str]
KeyBefore = tuple[str | None, IdempotencyRow | None]


class Keys(msgspec.Struct):
    """Idempotency keys as one batch sees them: `named` says which execution each names now, `stored` which
    one in the database, `rows` what is to be written."""

    stored: dict[IdempotencyKey, str]
    named: dict[IdempotencyKey, str]
    rows: dict[IdempotencyKey, IdempotencyRow] = {}

    def learn(self, taken: Mapping[IdempotencyKey, str]) -> None:
        """What the database has said since. What this batch has done to a key stands."""
        for key, execution_id in taken.items():
            if key not in self.stored:
                self.stored[key] = execution_id
                self.named.setdefault(key, execution_id)

    def before(self, key: IdempotencyKey) -> KeyBefore:
        return self.named.get(key), self.rows.get(key)

    def put_back(self, key: IdempotencyKey, before: KeyBefore) -> None:
        named, row = before
        self.named.pop(key, None)
        self.rows.pop(key, None)
        if named is not None:
            self.named[key] = named
        if row is not None:
            self.rows[key] = row

    def take(self, start: StartWorkflow) -> None:
        key = key_of(start)
        if key is not None:
            self.named[key] = start.execution_id
            self.rows[key] = IdempotencyRow(*key, start.execution_id, replaces=self.stored.get(key))


def key_of(start: StartWorkflow) -> IdempotencyKey | None:
    return (start.name, start.idempotency_key) if start.idempotency_key else None


def check_texts(start: StartWorkflow) -> None:
    """Raises `Refused` with what the database could not take into an index, whoever asks for the start."""
    texts = {"correlationId": start.correlation_id, "idempotencyKey": start.idempotency_key}
    texts |= {f"taskToDomain.{task}": domain for task, domain in start.task_to_domain.items()}
    findings = [Finding(path, problem) for path, text in texts.items() if text and (problem := unfit(text))]
    if findings:
        raise Refused(BadInput(findings))


def execution_named(keys: Keys, start: StartWorkflow, is_running: Callable[[str], bool]) -> str | None:
    """The execution that the start's key stands for; None if it is to make one. Raises `Refused` where the
    strategy says so."""
    key = key_of(start)
    named = keys.named.get(key) if key is not None else None
    if named is None or start.idempotency_strategy == "RETURN_EXISTING":
        return named
    if start.idempotency_strategy == "FAIL" or is_running(named):
        raise Refused(
            Conflict(f"workflow {start.name} with idempotency key {start.idempotency_key!r} exists already: {named}")
        )
    return None


def new_execution(start: StartWorkflow, plan: Plan, group: EffectGroup, now_ms: int) -> Execution:
    return Execution(
        start.execution_id,
        plan.name,
        plan.version,
        plan.save,
        "RUNNING",
        now_ms,
        input=input_of(start, plan),
        variables=dict(plan.variables),
        updated_ms=now_ms,
        correlation_id=start.correlation_id,
        event=start.event,
        cause=group.cause,
        hops=group.hops,
        traceparent=group.traceparent,
        idempotency_key=start.idempotency_key,
        task_to_domain=start.task_to_domain,
        created_by=start.created_by,
        priority=start.priority,
        parent=start.parent,
        depth=start.depth,
        definition=start.definition,
    )


def input_of(start: StartWorkflow, plan: Plan) -> dict[str, Any]:
    """Raises `Refused`."""
    given = {} if start.input is None else start.input
    if not isinstance(given, dict):
        raise Refused(BadInput(f"the input of workflow {start.name} must be an object, not {type(given).__name__}"))
    return {**plan.input_defaults, **given} if plan.input_defaults else given
