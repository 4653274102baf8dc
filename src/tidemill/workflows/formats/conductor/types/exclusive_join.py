"""EXCLUSIVE_JOIN: the one of several tasks that has run."""

from __future__ import annotations

from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType
from tidemill.workflows.formats.conductor.types.join import read_refs
from tidemill.workflows.tasks.exclusive_join import ExclusiveJoinSettings


def _read(source: Source) -> Draft:
    refs = read_refs(source, "joinOn")
    default = read_refs(source, "defaultExclusiveJoinTask")
    if not refs and not default:
        source.fields.add("joinOn", "is missing: the tasks one of which has run", "missing")
    return Draft("exclusive_join", source.without(), ExclusiveJoinSettings(tuple(refs), tuple(default)))


EXCLUSIVE_JOIN = TaskType(
    "EXCLUSIVE_JOIN",
    "Has the output of the first of several tasks that has ended: of the case that a SWITCH took.",
    _read,
    keys={
        "joinOn": "the reference names of the tasks, in the order in which they count; required",
        "defaultExclusiveJoinTask": "reference names that count where none of joinOn has run",
    },
    output={"*": "the output of that task"},
)
