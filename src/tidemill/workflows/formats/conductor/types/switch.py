"""SWITCH: one of several lists of tasks."""

from __future__ import annotations

from collections.abc import Mapping

from tidemill.sandbox.script import Script
from tidemill.workflows.formats.conductor.source import JAVASCRIPT, Draft, Source, TaskType
from tidemill.workflows.tasks.switch import DEFAULT, SwitchSettings


def _read(source: Source) -> Draft:
    fields = source.fields
    evaluator = fields.choice("evaluatorType", ("value-param", *JAVASCRIPT), "value-param")
    expression = fields.name("expression")
    if evaluator == "value-param":
        return by_value(source, expression, "expression")
    return by_script(source, expression, "expression")


def by_value(source: Source, param: str, key: str) -> Draft:
    if param and param not in source.inputs and param not in source.given:
        source.fields.warn(key, f"no input parameter is named {param!r}: always the default case")
    cases = frozenset(source.fields.object("decisionCases"))
    return Draft("switch", source.without(), SwitchSettings(cases, param=param), _edges(source))


def by_script(source: Source, text: str, key: str) -> Draft:
    script = source.script(Script("javascript", text, "expression"), key)
    cases = frozenset(source.fields.object("decisionCases"))
    return Draft("switch", source.without(), SwitchSettings(cases, script=script), _edges(source))


def _edges(source: Source) -> Mapping[str, str | None]:
    """A case without tasks is the default case, as Conductor has it."""
    fields, walk, following = source.fields, source.walk, source.following
    cases = fields.fields("decisionCases")
    edges: dict[str, str | None] = {}
    empty = []
    for case in cases.value:
        tasks = list(cases.each(case))
        if tasks:
            edges[case] = walk.sequence(tasks, following)
        else:
            empty.append(case)
    default = list(fields.each("defaultCase"))
    if DEFAULT in edges and default:
        fields.warn("decisionCases", f"the case {DEFAULT!r} and defaultCase are one: defaultCase runs for both")
    if DEFAULT not in edges or default:
        edges[DEFAULT] = walk.sequence(default, following)
    return {**edges, **dict.fromkeys(empty, edges[DEFAULT])}


CASES = {
    "decisionCases": "an object: the tasks of each case. A case without tasks runs the default case",
    "defaultCase": "the tasks for everything else",
}
SWITCH = TaskType(
    "SWITCH",
    "Goes on with the tasks of the case that an input or a script names.",
    _read,
    keys={
        "evaluatorType": "`value-param` (default): `expression` names an input; `javascript`: it is a script",
        "expression": "the name of an input parameter, or a script that reads the inputs as `$.name`; required",
        **CASES,
    },
    inputs={"*": "what `expression` reads"},
    output={"evaluationResult": "a list of the one value, as text", "selectedCase": "that text"},
)
