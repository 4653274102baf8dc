"""Conductor's workflow status listener: where changes of status are published, and what such a record says."""

from __future__ import annotations

from typing import Any

from tidemill.expressions.document import Fields
from tidemill.workflows.address import read_address
from tidemill.workflows.formats.conductor.views import execution_json
from tidemill.workflows.plans.plan import Announce, Plan
from tidemill.workflows.state.state import Execution

SINK = "workflowStatusListenerSink"


def read_announce(fields: Fields) -> Announce | None:
    """None where it is off. A listener of the server itself, as it is without a sink, does not exist here."""
    if not fields.flag("workflowStatusListenerEnabled"):
        return None
    sink = fields.text(SINK)
    if not sink:
        fields.warn(SINK, "is missing: no change of status is published", "missing")
        return None
    integration, topic = read_address(fields, SINK, sink)
    return Announce((integration, topic), _body) if integration else None


def _body(execution: Execution, plan: Plan) -> dict[str, Any]:
    shown = execution_json(execution, plan, include_tasks=False)
    del shown["workflowDefinition"]
    given = execution.input if isinstance(execution.input, dict) else {}
    return {
        "_schema": str(given.get("_schema") or ""),
        "workflowType": execution.name,
        "eventType": execution.status,
        "workflowInstanceId": execution.id,
        "sink": plan.source.get(SINK),
        "taskId": "",
        "workflow": shown,
        "task": "",
    }
