"""HUMAN: somebody's task."""

from __future__ import annotations

from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType
from tidemill.workflows.tasks.wait import WaitSettings


def _read(source: Source) -> Draft:
    return Draft("wait", source.without(), WaitSettings())


HUMAN = TaskType(
    "HUMAN",
    "Waits, however long, until somebody completes or fails it over the API or by an event handler.",
    _read,
    inputs={"*": "anything: what the person is to see", "__humanTaskDefinition": "kept as an input; no form is shown"},
    output={"*": "what is reported"},
    notes="A waiting execution costs its row and nothing else.",
)
