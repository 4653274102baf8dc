"""SET_VARIABLE: variables of the execution."""

from __future__ import annotations

from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType


def _read(source: Source) -> Draft:
    return Draft("set_variables", source.without())


SET_VARIABLE = TaskType(
    "SET_VARIABLE",
    "Sets variables of the execution, which every later task reads as `${workflow.variables.name}`.",
    _read,
    inputs={"*": "each key becomes a variable"},
    notes="All variables of an execution may take 256 KB together. A task that would set more fails and sets none.",
)
