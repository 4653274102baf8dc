"""Event handlers as Conductor's users write them: JSON to `Handler`, with every mistake as a finding.

The document is kept as it came; this only reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tidemill.core.findings import Finding
from tidemill.expressions.document import Fields, read_label
from tidemill.sandbox.script import Script
from tidemill.workflows.address import read_address
from tidemill.workflows.handlers.actions import Action, StartAction, read_action

_SCRIPT_EVALUATORS = ("javascript", "graaljs")
_EVALUATORS = (*_SCRIPT_EVALUATORS, "value-param", "python")
_NOTED = (
    "description",
    "tags",
    "createdBy",
    "createTime",
    "updateTime",
    "updatedBy",
    "ownerApp",
    "orgId",
    "ownerEmail",
)
"""Keys of Orkes' own exports, kept and shown and without effect here."""


class Condition(msgspec.Struct, frozen=True):
    """When a record is wanted: always or never (`constant`), if the body's key `param` is true, or if the
    script says so."""

    constant: bool | None = None
    param: str | None = None
    script: Script | None = None


class Handler(msgspec.Struct, frozen=True):
    """An event handler, ready to be made a route. Incomplete if its reading had findings of level error."""

    name: str
    event: str
    integration: str
    topic: str
    is_active: bool
    condition: Condition
    actions: Sequence[Action]

    @property
    def route_name(self) -> str:
        return f"event_handler:{self.name}"

    def starts(self) -> Sequence[tuple[str, int | None, int]]:
        """(workflow, version, index of the action) of what is started under a name known beforehand."""
        return [
            (action.name.constant, version if isinstance(version, int) else None, index)
            for index, action in enumerate(self.actions)
            if isinstance(action, StartAction) and action.name.constant and action.name.constant.strip()
            for version in (action.version.source,)
        ]


def read_handler(document: Any) -> tuple[Handler, list[Finding]]:
    findings: list[Finding] = []
    fields = Fields(document, "", findings)
    name = read_label(fields, "name")
    event = fields.name("event")
    integration, topic = read_address(fields, "event", event) if event else ("", "")
    condition = _condition(fields)
    actions = [read_action(entry) for entry in fields.each("actions")]
    if not fields.items("actions"):
        fields.add("actions", "a handler needs at least one action", "missing")
    handler = Handler(
        name=name,
        event=event,
        integration=integration,
        topic=topic,
        is_active=fields.flag("active"),
        condition=condition,
        actions=tuple(action for action in actions if action is not None),
    )
    fields.finish(_NOTED)
    return handler, findings


def _condition(fields: Fields) -> Condition:
    text = fields.text("condition").strip()
    evaluator = fields.choice("evaluatorType", _EVALUATORS, "javascript")
    if evaluator == "python":
        fields.add("evaluatorType", "not yet supported: evaluatorType python", "not_supported")
        return Condition(constant=False)
    if text in ("", "true", "false") and evaluator != "value-param":
        return Condition(constant=text != "false")
    if evaluator == "value-param":
        return Condition(param=text) if text else Condition(constant=True)
    return Condition(script=Script("javascript", text, "expression"))
