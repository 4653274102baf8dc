"""Conductor's workflow definitions: JSON to a plan, with every mistake as a finding. Reads nothing else.

What lies around the document (integrations, other definitions, compilers) is checked by the catalog.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tidemill.core.codec import to_json
from tidemill.core.findings import Finding, near
from tidemill.expressions.template import Template
from tidemill.sandbox.script import Script
from tidemill.workflows.document import Fields, read_label
from tidemill.workflows.formats.conductor.keys import (
    TASK_NOT_YET,
    TASK_NOTED,
    TYPES_NOT_YET,
    WORKFLOW_NOT_YET,
    WORKFLOW_NOTED,
)
from tidemill.workflows.formats.conductor.steps import READERS, Source
from tidemill.workflows.formats.conductor.task_definition import (
    UNDEFINED,
    TaskDefinition,
    read_embedded,
    warn_not_yet,
)
from tidemill.workflows.plan import NEXT, Plan, Step
from tidemill.workflows.tasks.switch import DEFAULT

TIMEOUT_POLICIES = ("ALERT_ONLY", "TIME_OUT_WF")
_ROOTS = frozenset({"workflow", "CPEWF_TASK_ID", "$"})
_STORES = re.compile(rb"\$\{workflow\.(secrets|env)\b")


class Compiled(msgspec.Struct, frozen=True):
    """`plan` can run only if there is no finding of level error. `scripts` are still to be compiled;
    `sinks` are the addresses known beforehand. Both have their place in the document."""

    plan: Plan
    findings: Sequence[Finding]
    scripts: Sequence[tuple[str, Script]]
    sinks: Sequence[tuple[str, tuple[str, str]]]


def compile_workflow(document: Any, task_definitions: Mapping[str, TaskDefinition], save: int) -> Compiled:
    """`save` is the number that the plan is to carry."""
    findings: list[Finding] = []
    fields = Fields(document, "", findings)
    compilation = _Compilation(fields, task_definitions)
    entry = compilation.sequence(fields, "tasks", None)
    if not fields.items("tasks"):
        fields.add("tasks", "a workflow needs at least one task", "missing")
    output = fields.object("outputParameters")
    failure = fields.text("failureWorkflow") or None
    failure_version = fields.whole("failureWorkflowVersion", at_least=0) or None
    plan = Plan(
        name=read_label(fields, "name"),
        version=fields.whole("version", 1, at_least=1),
        save=save,
        entry=entry,
        steps=compilation.steps,
        output=compilation.output(output) if output else None,
        variables=fields.object("variables"),
        input_defaults=fields.object("inputTemplate"),
        timeout_s=fields.whole("timeoutSeconds"),
        is_timeout_fatal=fields.choice("timeoutPolicy", TIMEOUT_POLICIES, "ALERT_ONLY") == "TIME_OUT_WF",
        failure_workflow=(failure, failure_version) if failure else None,
        source=fields.value,
    )
    warn_not_yet(fields, WORKFLOW_NOT_YET)
    fields.finish(WORKFLOW_NOTED)
    compilation.check_references()
    return Compiled(plan, findings, compilation.scripts, compilation.sinks)


class _Compilation:
    """The walk through the tasks of one document."""

    def __init__(self, fields: Fields, task_definitions: Mapping[str, TaskDefinition]) -> None:
        self.fields = fields
        self.task_definitions = task_definitions
        self.refs = frozenset(_references(fields.value.get("tasks")))
        self.steps: dict[str, Step] = {}
        self._seen: set[str] = set()
        self.scripts: list[tuple[str, Script]] = []
        self.sinks: list[tuple[str, tuple[str, str]]] = []
        self.templates: list[tuple[str, Template]] = []

    def sequence(self, parent: Fields, key: str, after: str | None) -> str | None:
        """The tasks of one list, one after the other, then `after`. Returns where it begins."""
        tasks = list(parent.each(key))
        refs = [str(task.value.get("taskReferenceName")) for task in tasks]
        for task, following in zip(tasks, [*refs, after][1:], strict=True):
            self._task(task, following)
        return [*refs, after][0]

    def output(self, parameters: Mapping[str, Any]) -> Template:
        template = self.fields.compiled(parameters, "outputParameters")
        self.templates.append(("outputParameters", template))
        return template

    def check_references(self) -> None:
        known = _ROOTS | self.refs
        for path, template in self.templates:
            named = _STORES.findall(to_json(template.source)) if "workflow" in template.roots else ()
            for store in sorted(set(named)):
                message = f"not yet supported: ${{workflow.{store.decode()}...}}"
                self.fields.findings.append(Finding(path, message, "not_supported"))
            for root in sorted(template.roots - known):
                message = f"${{{root}...}}: no task has this reference name, so it is null{near(root, known)}"
                self.fields.findings.append(Finding(path, message, "unknown_reference", "warning"))

    def _task(self, fields: Fields, following: str | None) -> None:
        name, ref = read_label(fields, "name"), read_label(fields, "taskReferenceName")
        if ref and ref in self._seen:
            fields.add("taskReferenceName", f"{ref!r} is the reference name of another task too", "duplicate")
        self._seen.add(ref)
        kind = fields.text("type", "SIMPLE") or "SIMPLE"
        definition = self._definition(fields, name)
        if kind in READERS:
            self.steps[ref] = self._step(fields, kind, (name, ref), definition, following)
        elif kind in TYPES_NOT_YET:
            fields.add("type", f"not yet supported: task type {kind}", "not_supported")
            self._placeholder(fields)
        else:
            fields.add("type", f"unknown task type {kind!r}{near(kind, (*READERS, *TYPES_NOT_YET))}")
            self._placeholder(fields)
        warn_not_yet(fields, TASK_NOT_YET)
        fields.finish(TASK_NOTED)

    def _placeholder(self, fields: Fields) -> None:
        """Marks the common keys of a task that has no step as known."""
        for key in ("inputParameters", "retryCount", "optional", "permissive", "startDelay"):
            fields.raw(key)

    def _step(
        self, fields: Fields, kind: str, names: tuple[str, str], definition: TaskDefinition, following: str | None
    ) -> Step:
        name, ref = names
        inputs = {**definition.inputs, **fields.object("inputParameters")}
        source = Source(fields, inputs, self.refs | {"workflow"}, scripts=self.scripts, templates=self.templates)
        draft = READERS[kind](source)
        target = getattr(draft.settings, "target", None)
        if target is not None:
            self.sinks.append((fields.at("sink"), target))
        retries = fields.whole("retryCount", definition.retry.count)
        is_permissive = fields.flag("permissive")
        return Step(
            ref=ref,
            kind=draft.kind,
            name=name,
            input=draft.input,
            settings=draft.settings,
            edges=self._edges(fields, kind, following),
            retry=msgspec.structs.replace(definition.retry, count=retries),
            is_optional=fields.flag("optional") or is_permissive,
            start_delay_s=fields.whole("startDelay"),
            response_timeout_s=definition.response_timeout_s if kind == "SIMPLE" else 0,
            source=fields.value,
        )

    def _definition(self, fields: Fields, name: str) -> TaskDefinition:
        """What stands in the task itself wins over what is registered under its name."""
        if fields.raw("taskDefinition") is not None:
            return read_embedded(fields.fields("taskDefinition"))
        return self.task_definitions.get(name, UNDEFINED)

    def _edges(self, fields: Fields, kind: str, following: str | None) -> dict[str, str | None]:
        if kind != "SWITCH":
            return {NEXT: following}
        cases = fields.fields("decisionCases")
        edges = {case: self.sequence(cases, case, following) for case in cases.value}
        if DEFAULT in edges and fields.items("defaultCase"):
            fields.warn("decisionCases", f"the case {DEFAULT!r} and defaultCase are one: defaultCase runs for both")
        if DEFAULT not in edges or fields.items("defaultCase"):
            edges[DEFAULT] = self.sequence(fields, "defaultCase", following)
        return edges


def _references(value: Any) -> Iterator[str]:
    """Every reference name in the document, also inside task types that are not built yet."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            ref = item.get("taskReferenceName")
            if isinstance(ref, str):
                yield ref
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
