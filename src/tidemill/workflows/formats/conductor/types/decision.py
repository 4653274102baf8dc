"""DECISION: what SWITCH was called before."""

from __future__ import annotations

from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType
from tidemill.workflows.formats.conductor.types.switch import CASES, by_script, by_value


def _read(source: Source) -> Draft:
    fields = source.fields
    script, param = fields.text("caseExpression"), fields.text("caseValueParam")
    if script.strip():
        return by_script(source, script, "caseExpression")
    if not param:
        fields.add("caseValueParam", "is missing, and so is caseExpression: one of them chooses the case", "missing")
    return by_value(source, param, "caseValueParam")


DECISION = TaskType(
    "DECISION",
    "The older form of SWITCH.",
    _read,
    keys={
        "caseValueParam": "the name of the input parameter that is the case",
        "caseExpression": "a script that gives the case and reads the inputs as `$.name`; it goes first",
        **CASES,
    },
    inputs={"*": "what chooses the case"},
    output={"evaluationResult": "a list of the one value, as text", "selectedCase": "that text"},
)
