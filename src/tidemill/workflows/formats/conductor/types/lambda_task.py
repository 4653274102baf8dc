"""LAMBDA: what INLINE was called before, with the body of a function for a script."""

from __future__ import annotations

from tidemill.sandbox.script import Script
from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType


def _read(source: Source) -> Draft:
    body = source.text("scriptExpression")
    text = f"(function(){{{body}\n}})()" if body else ""
    settings = source.script_input(Script("javascript", text, "expression"), "scriptExpression")
    return Draft("script", source.without("scriptExpression"), settings)


LAMBDA = TaskType(
    "LAMBDA",
    "The older form of INLINE: the script is the body of a function, and says `return`.",
    _read,
    inputs={"scriptExpression": "the function's body; the other inputs are `$.name`; required", "*": "what it reads"},
    output={"result": "what the function returns", "error": "what it threw, where the task has failed"},
)
