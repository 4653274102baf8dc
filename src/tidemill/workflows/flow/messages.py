"""Messages of an execution: kept with it, in the order of their coming, until tasks take them. Bounded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tidemill.workflows.flow.flow import complete, progress
from tidemill.workflows.plans.plan import NEXT, Step
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.rows import pack_value
from tidemill.workflows.state.state import Message, Task
from tidemill.workflows.tasks.directive import TakeMessages

MESSAGES_MAX = 1_000
MESSAGES_BYTES_MAX = 1024 * 1024
"""All that wait together: each step of the execution writes them anew."""


def put(decision: Decision, message: Message) -> str | None:
    """None, or why there is no room for it."""
    messages = [*decision.execution.messages, message]
    if len(messages) > MESSAGES_MAX or len(pack_value(messages)) > MESSAGES_BYTES_MAX:
        return (
            f"the messages of execution {decision.execution.id} that no task has taken are too many: "
            f"{MESSAGES_MAX:,}, or {MESSAGES_BYTES_MAX:,} bytes, are the limit"
        )
    decision.execution.messages = messages
    decision.is_changed = True
    return None


def take(decision: Decision, step: Step, task: Task, directive: TakeMessages) -> None:
    """Those that are there; the task waits where there are none, unless it is not to."""
    execution = decision.execution
    if not execution.messages and directive.is_awaited:
        progress(decision, step, task)
        return
    taken, execution.messages = execution.messages[: directive.most], execution.messages[directive.most :]
    decision.is_changed = True
    shown = [_shown(execution.id, message) for message in taken]
    complete(decision, step, task, {"messages": shown, "count": len(shown)}, NEXT)


def _shown(execution_id: str, message: Message) -> dict[str, Any]:
    at = datetime.fromtimestamp(message.at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"id": message.id, "workflowId": execution_id, "payload": message.payload, "receivedAt": at}
