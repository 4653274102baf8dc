"""DO_WHILE: a list of tasks again and again."""

from __future__ import annotations

from tidemill.core.codec import to_json
from tidemill.expressions.document import as_whole
from tidemill.sandbox.script import Script
from tidemill.workflows.formats.conductor.source import JAVASCRIPT, Draft, Source, TaskType
from tidemill.workflows.tasks.loop import ITERATIONS_MAX, LoopSettings

_ITEMS = "items"


def _read(source: Source) -> Draft:
    """`items` may stand beside the condition, as the SDK's ForEachTask has it: then it counts, not the condition."""
    fields = source.fields
    body = source.walk.path(list(fields.each("loopOver")), is_loop=True)
    if body is None:
        fields.add("loopOver", "a loop needs at least one task", "missing")
    items = fields.raw(_ITEMS)
    also = {} if items is None else {_ITEMS: items}
    is_over_items = items is not None or source.raw(_ITEMS) is not None
    settings = LoopSettings(
        condition=None if is_over_items else _condition(source),
        items=_ITEMS if is_over_items else None,
        keep_last=_keep_last(source),
    )
    if is_over_items:
        fields.raw("loopCondition")
        fields.raw("evaluatorType")
    return Draft("loop", source.without(also=also), settings, body=body)


def _condition(source: Source) -> Script | None:
    fields = source.fields
    evaluator = fields.choice("evaluatorType", (*JAVASCRIPT, "value-param"), JAVASCRIPT[0])
    text = fields.text("loopCondition")
    if not text.strip():
        fields.add("loopCondition", "is missing, and so are items: one of them says when the loop ends", "missing")
        return None
    if evaluator == "value-param":
        text = f"$[{to_json(text).decode()}]"
    return source.script(Script("javascript", text, "expression"), "loopCondition")


def _keep_last(source: Source) -> int:
    """Orkes has it among the input parameters."""
    given = source.raw("keepLastN")
    if given is None:
        return source.fields.whole("keepLastN")
    source.fields.raw("keepLastN")
    number = as_whole(given)
    if number is None or number < 0:
        source.fields.add("inputParameters.keepLastN", f"must be a whole number, not {given!r}", "type")
    return number or 0


DO_WHILE = TaskType(
    "DO_WHILE",
    "Runs a list of tasks again and again: while a condition holds, or once per item of a list.",
    _read,
    keys={
        "loopOver": "the tasks; required",
        "loopCondition": "JavaScript, asked after each iteration: `$.<reference name>` is the output of a task of the "
        "iteration, `$.<own reference name>.iteration` the number of the iteration, `$.name` an input",
        "items": "a list, or an expression that gives one: one iteration per item, and no condition",
        "keepLastN": "how many iterations the output shows; default all",
    },
    inputs={
        "items": "as the key",
        "keepLastN": "as the key",
        "*": "what the condition reads; expressions are read anew after each iteration, so that "
        "`${workflow.variables.done}` is what it is then",
    },
    output={
        "iteration": "how many there were; while it runs, the number of the one that runs, from 1",
        "loopItem": "while it runs over items: the item",
        "loopIndex": "while it runs over items: its index, from 0",
        "<n>": "the outputs of the tasks of the n-th iteration, by their reference names",
    },
    notes="Inside the loop `${ref.output...}` is the task of the same iteration; the API shows it as `ref__<n>`, "
    "and takes a report on it by that name, as event handlers do; plain `ref` is the newest. "
    f"A loop fails at {ITERATIONS_MAX:,} iterations, with that reason.",
)
