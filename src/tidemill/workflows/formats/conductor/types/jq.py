"""JSON_JQ_TRANSFORM: a jq query."""

from __future__ import annotations

from tidemill.sandbox.script import Script
from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType


def _read(source: Source) -> Draft:
    script = Script("jq", source.text("queryExpression"), "query")
    return Draft("jq", source.without("queryExpression"), source.script_input(script, "queryExpression"))


JSON_JQ_TRANSFORM = TaskType(
    "JSON_JQ_TRANSFORM",
    "Transforms the other input parameters by a jq query.",
    _read,
    inputs={"queryExpression": "the query, over an object of the other inputs; required", "*": "what it reads"},
    output={
        "result": "the first result",
        "resultList": "all results",
        "error": "jq's words, where the task has failed",
    },
)
