"""One reader per Conductor task type: its JSON to kind, input and settings of a step. Edges are made elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tidemill.core.codec import to_json
from tidemill.core.errors import BadInput
from tidemill.expressions.template import Template, compile_template
from tidemill.sandbox.script import Script
from tidemill.workflows.address import read_address
from tidemill.workflows.document import Fields
from tidemill.workflows.tasks.kind import NoSettings
from tidemill.workflows.tasks.moments import parse_date_ms, parse_duration_ms
from tidemill.workflows.tasks.publish import PublishSettings
from tidemill.workflows.tasks.script import ScriptSettings
from tidemill.workflows.tasks.switch import SwitchSettings
from tidemill.workflows.tasks.terminate import TerminateSettings
from tidemill.workflows.tasks.wait import WaitSettings

_STATUSES = ("COMPLETED", "FAILED", "TERMINATED")
_JAVASCRIPT = ("javascript", "graaljs")


class Source(msgspec.Struct):
    """One task of the document: its fields, its inputs with the task definition's defaults, and what reading
    it turns up: scripts to compile and templates, each with its place."""

    fields: Fields
    inputs: dict[str, Any]
    refs: frozenset[str]
    scripts: list[tuple[str, Script]] = []
    templates: list[tuple[str, Template]] = []

    def template(self, value: Any, key: str) -> Template:
        path = self.fields.at(key)
        template = self.fields.compiled(value, path)
        self.templates.append((path, template))
        return template

    def input(self, key: str) -> Template | None:
        """One input parameter as a template of its own; None where it is absent."""
        value = self.inputs.get(key)
        return None if value is None else self.template(value, f"inputParameters.{key}")

    def moment(self, key: str, parse: Callable[[Any], int]) -> Template | None:
        """A duration or a date; one that is no expression is read now, so that a mistake shows when it is saved."""
        template = self.input(key)
        if template is not None and template.is_constant:
            try:
                parse(template.render(None))
            except ValueError as error:
                self.fields.add(f"inputParameters.{key}", str(error))
        return template

    def without(self, *keys: str) -> Template:
        """All input parameters but these."""
        return self.template({key: item for key, item in self.inputs.items() if key not in keys}, "inputParameters")

    def text(self, key: str) -> str:
        """An input parameter that must be a text and be there."""
        return Fields(self.inputs, self.fields.at("inputParameters"), self.fields.findings).name(key)

    def script(self, script: Script, key: str) -> Script:
        if script.source:
            self.scripts.append((self.fields.at(key), script))
        if script.engine == "javascript" and self._is_templated(script.source):
            self.fields.add(
                key,
                "not yet supported: ${...} of the workflow inside a script; make it an input parameter, and read "
                "that as $.name",
                "not_supported",
            )
        return script

    def _is_templated(self, text: str) -> bool:
        """JavaScript has `${...}` of its own, in its template literals: only our names count."""
        if "${" not in text:
            return False
        try:
            return not self.refs.isdisjoint(compile_template(text).roots)
        except BadInput:
            return False


class Draft(msgspec.Struct, frozen=True):
    kind: str
    input: Template
    settings: Any = NoSettings()


def _simple(source: Source) -> Draft:
    return Draft("worker", source.without())


def _noop(source: Source) -> Draft:
    return Draft("noop", source.without())


def _set_variable(source: Source) -> Draft:
    return Draft("set_variables", source.without())


_BODY: Mapping[str, str] = {
    "workflowInstanceId": "${workflow.workflowId}",
    "workflowType": "${workflow.workflowType}",
    "workflowVersion": "${workflow.version}",
    "correlationId": "${workflow.correlationId}",
    "taskToDomain": "${workflow.taskToDomain}",
}
"""What Conductor puts into the body of every EVENT beside the inputs; it wins over inputs of these names."""


def _event(source: Source) -> Draft:
    """`_key` and `_headers` are ours: the record's key (default: the task's id) and headers, not in its body."""
    fields = source.fields
    sink = fields.name("sink")
    target = None
    if sink and "${" not in sink:
        integration, topic = read_address(fields, "sink", sink)
        target = (integration, topic) if integration else None
    is_async = fields.flag("asyncComplete")
    headers = source.inputs.get("_headers")
    if headers is not None and not isinstance(headers, dict) and not (isinstance(headers, str) and "${" in headers):
        fields.add("inputParameters._headers", "must be an object", "type")
    given = {key: item for key, item in source.inputs.items() if key not in ("_key", "_headers")}
    body = {**given, **_BODY, "sink": sink, "asyncComplete": is_async, "event_produced": sink}
    settings = PublishSettings(
        sink=source.template(sink, "sink"),
        target=target,
        key=source.input("_key"),
        headers=source.input("_headers"),
        is_async_complete=is_async,
    )
    return Draft("publish", source.template(body, "inputParameters"), settings)


def _inline(source: Source) -> Draft:
    text = source.text("expression")
    evaluator = source.inputs.get("evaluatorType", "javascript")
    key = "inputParameters.evaluatorType"
    if evaluator == "python":
        source.fields.add(key, "not yet supported: evaluatorType python", "not_supported")
    elif evaluator not in (*_JAVASCRIPT, "value-param"):
        source.fields.add(key, f"must be javascript, graaljs or value-param, not {evaluator!r}")
    if evaluator == "value-param":
        text = f"$[{to_json(text).decode()}]"
    if evaluator == "python":
        text = ""
    script = source.script(Script("javascript", text, "expression"), "inputParameters.expression")
    return Draft("script", source.without("expression", "evaluatorType"), ScriptSettings(script))


def _jq(source: Source) -> Draft:
    script = Script("jq", source.text("queryExpression"), "query")
    source.script(script, "inputParameters.queryExpression")
    return Draft("jq", source.without("queryExpression"), ScriptSettings(script))


def _switch(source: Source) -> Draft:
    fields = source.fields
    evaluator = fields.choice("evaluatorType", ("value-param", *_JAVASCRIPT), "value-param")
    expression = fields.name("expression")
    cases = frozenset(fields.object("decisionCases"))
    if evaluator == "value-param":
        if expression and expression not in source.inputs:
            fields.warn("expression", f"no input parameter is named {expression!r}: always the default case")
        return Draft("switch", source.without(), SwitchSettings("value", cases, param=expression))
    script = source.script(Script("javascript", expression, "expression"), "expression")
    return Draft("switch", source.without(), SwitchSettings("script", cases, script=script))


def _terminate(source: Source) -> Draft:
    status = source.text("terminationStatus")
    if status and "${" not in status and status not in _STATUSES:
        source.fields.add("inputParameters.terminationStatus", f"must be one of {', '.join(_STATUSES)}, not {status!r}")
    settings = TerminateSettings(
        status=source.template(status, "inputParameters.terminationStatus"),
        reason=source.input("terminationReason"),
        output=source.input("workflowOutput"),
    )
    return Draft("terminate", source.without(), settings)


def _wait(source: Source) -> Draft:
    """The SDK's `WaitTask` says `wait_until` for `until`."""
    duration = source.moment("duration", parse_duration_ms)
    until = source.moment("until", parse_date_ms) or source.moment("wait_until", parse_date_ms)
    if duration is not None and until is not None:
        source.fields.add("inputParameters", "has both duration and until: give one of them")
    return Draft("wait", source.without(), WaitSettings(duration, until))


READERS: Mapping[str, Callable[[Source], Draft]] = {
    "SIMPLE": _simple,
    "EVENT": _event,
    "INLINE": _inline,
    "JSON_JQ_TRANSFORM": _jq,
    "SET_VARIABLE": _set_variable,
    "SWITCH": _switch,
    "TERMINATE": _terminate,
    "WAIT": _wait,
    "NOOP": _noop,
}
