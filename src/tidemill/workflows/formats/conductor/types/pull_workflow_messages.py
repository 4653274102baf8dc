"""PULL_WORKFLOW_MESSAGES: what was sent to the execution."""

from __future__ import annotations

from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType


def _read(source: Source) -> Draft:
    return Draft("take_messages", source.without())


PULL_WORKFLOW_MESSAGES = TaskType(
    "PULL_WORKFLOW_MESSAGES",
    "Takes messages that were sent to the execution with `POST /api/workflow/{id}/messages`, the oldest first.",
    _read,
    inputs={
        "batchSize": "how many it takes at most, up to 100; default 1",
        "blocking": "false: where there is no message it completes with none; default true, it waits for one",
    },
    output={
        "messages": "each with `id`, `workflowId`, `payload` and `receivedAt`",
        "count": "how many",
    },
    notes="A waiting task costs its row and nothing else; the message that it waits for completes it in the same "
    "transaction. Messages wait with their execution, also while it is paused: up to 1,000 of them, or 1 MB together, "
    "then sending is refused with 429. A restart from the start forgets them.",
)
