"""INLINE: a piece of JavaScript."""

from __future__ import annotations

from tidemill.core.codec import to_json
from tidemill.sandbox.script import Script
from tidemill.workflows.formats.conductor.source import JAVASCRIPT, Draft, Source, TaskType


def _read(source: Source) -> Draft:
    text = source.text("expression")
    evaluator = source.raw("evaluatorType") or JAVASCRIPT[0]
    key = "inputParameters.evaluatorType"
    if evaluator == "python":
        source.fields.add(key, "not yet supported: evaluatorType python", "not_supported")
        text = ""
    elif evaluator == "value-param":
        text = f"$[{to_json(text).decode()}]"
    elif evaluator not in JAVASCRIPT:
        source.fields.add(key, f"must be javascript, graaljs or value-param, not {evaluator!r}")
    settings = source.script_input(Script("javascript", text, "expression"), "expression")
    return Draft("script", source.without("expression", "evaluatorType"), settings)


INLINE = TaskType(
    "INLINE",
    "Runs JavaScript in the sandbox over the other input parameters.",
    _read,
    inputs={
        "expression": "the script; the other inputs are `$.name`; its value is that of the last statement; `${...}` "
        "becomes a part of its text; required",
        "evaluatorType": "`javascript`, `graaljs`, or `value-param`: the value of the input that `expression` names",
        "*": "what the script reads",
    },
    output={"result": "the script's value", "error": "what it threw, where the task has failed"},
)
