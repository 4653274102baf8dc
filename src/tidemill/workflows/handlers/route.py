"""What an event handler makes of records (`ingest.route.Route`): body, condition, actions. Writes nothing.

Conditions are computed by one call of the sandbox per batch; those that are constant need none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidemill.expressions.condition import binding, is_true, reads_record
from tidemill.ingest.record import Record
from tidemill.ingest.route import Outcome
from tidemill.sandbox.script import Computed, Sandbox, Script
from tidemill.workflows.handlers.body import Body, SendingProtocol, decode, expanded
from tidemill.workflows.handlers.cause import BadAction, Cause
from tidemill.workflows.handlers.definition import Handler
from tidemill.workflows.handlers.record_view import record_view


class _Judgement(msgspec.Struct, frozen=True):
    """What a condition said of one record; with a `reason` it could not be asked."""

    is_wanted: bool
    logs: Sequence[str] = ()
    reason: str | None = None


_WANTED = _Judgement(True)
_UNWANTED = _Judgement(False)


class EventHandlerRoute:
    """Conditions see JSON inside the body's texts expanded, as Conductor's do; actions see the body as it came,
    unless `expandInlineJSON` says otherwise."""

    def __init__(self, handler: Handler, protocol: SendingProtocol, sandbox: Sandbox) -> None:
        self.is_foreseeable = True
        self._handler = handler
        self._protocol: SendingProtocol = protocol
        self._sandbox = sandbox
        self._done_detail: Mapping[str, Any] = {
            "condition": True,
            "actions": [action.kind for action in handler.actions],
        }

    @property
    def name(self) -> str:
        return self._handler.route_name

    async def handle(self, records: Sequence[Record]) -> Sequence[Outcome]:
        protocol = self._protocol
        bodies = [decode(record.value, protocol) for record in records]
        judgements = await self._judge(records, bodies)
        return [
            self._outcome(record, body, judgement)
            for record, body, judgement in zip(records, bodies, judgements, strict=True)
        ]

    async def _judge(self, records: Sequence[Record], bodies: Sequence[Body]) -> Sequence[_Judgement]:
        condition = self._handler.condition
        if condition.script is not None:
            return await self._ask(condition.script, records, bodies)
        if condition.param is not None:
            return [_judge_param(condition.param, body) for body in bodies]
        return [_UNWANTED if condition.constant is False else _WANTED] * len(bodies)

    async def _ask(self, script: Script, records: Sequence[Record], bodies: Sequence[Body]) -> Sequence[_Judgement]:
        """One call for all bodies that can be read; the others are never shown to a script."""
        readable = [index for index, body in enumerate(bodies) if body.error is None]
        judgements = [_UNWANTED] * len(bodies)
        if readable:
            is_reading = reads_record(script.source)
            inputs = [
                binding(expanded(bodies[index]).raw, record_view(records[index]) if is_reading else None)
                for index in readable
            ]
            for index, computed in zip(readable, await self._sandbox.run(script, inputs), strict=True):
                judgements[index] = _judgement(computed)
        return judgements

    def _outcome(self, record: Record, body: Body, judgement: _Judgement) -> Outcome:
        reason = body.error or judgement.reason
        if reason is not None:
            return Outcome("invalid", reason=reason, detail=_with_logs({}, judgement))
        if not judgement.is_wanted:
            return Outcome("filtered", detail=_with_logs({"condition": False}, judgement))
        handler = self._handler
        cause = Cause(handler.name, handler.event, record, body.value)
        detail = _with_logs(self._done_detail, judgement)
        try:
            effects = [action.effect(cause, index) for index, action in enumerate(handler.actions)]
        except BadAction as error:
            return Outcome("invalid", reason=str(error), detail=detail)
        return Outcome("done", effects, detail=detail)


def _judge_param(param: str, body: Body) -> _Judgement:
    if body.error is not None:
        return _UNWANTED
    value = expanded(body).value
    if not isinstance(value, dict):
        return _Judgement(False, reason=f"condition: the evaluator value-param reads {param!r} of an object")
    return _WANTED if is_true(value.get(param)) else _UNWANTED


def _judgement(computed: Computed) -> _Judgement:
    if computed.error is not None:
        return _Judgement(False, computed.logs, f"condition: {computed.error}")
    if not computed.logs:
        return _WANTED if is_true(computed.value) else _UNWANTED
    return _Judgement(is_true(computed.value), computed.logs)


def _with_logs(detail: Mapping[str, Any], judgement: _Judgement) -> Mapping[str, Any]:
    return {**detail, "logs": list(judgement.logs)} if judgement.logs else detail
