"""Conductor's workflow definitions: JSON to a plan, with every mistake as a finding. Reads nothing else.

What lies around the document (integrations, other definitions, compilers) is checked by the catalog.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tidemill.core.findings import Finding
from tidemill.expressions.document import Fields, read_label
from tidemill.sandbox.script import Script
from tidemill.workflows.formats.conductor.announcement import SINK, read_announce
from tidemill.workflows.formats.conductor.compilation import Compilation, Start
from tidemill.workflows.formats.conductor.expansion import expander
from tidemill.workflows.formats.conductor.failure import failure_input
from tidemill.workflows.formats.conductor.keys import WORKFLOW_NOT_YET, WORKFLOW_NOTED
from tidemill.workflows.formats.conductor.masking import read_masks
from tidemill.workflows.formats.conductor.rate_limit import read_rate_limit
from tidemill.workflows.formats.conductor.references import references
from tidemill.workflows.formats.conductor.schema import placed, read_shapes
from tidemill.workflows.formats.conductor.task_definition import TaskDefinition, warn_not_yet
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.plans.shapes import Shape
from tidemill.workflows.secrets import KEEP

_EXPANDED = frozenset({"dynamic", "fork_dynamic"})
_OUTPUT = "the output of a workflow"
TIMEOUT_POLICIES = ("ALERT_ONLY", "TIME_OUT_WF")


class Compiled(msgspec.Struct, frozen=True):
    """`plan` can run only if there is no finding of level error. `scripts` are still to be compiled; `sinks` are the
    (integration, topic) known beforehand, `clusters` the (bootstrap servers or integration, topic). All have their
    place in the document."""

    plan: Plan
    findings: Sequence[Finding]
    scripts: Sequence[tuple[str, Script]]
    sinks: Sequence[tuple[str, tuple[str, str]]]
    clusters: Sequence[tuple[str, tuple[str, str]]] = ()
    starts: Sequence[tuple[str, str, int | None]] = ()
    """(where, name, version): the workflows that it starts, as far as they are known beforehand."""
    shapes: Sequence[tuple[str, Shape]] = ()
    """(where, shape): what inputs and outputs have to be like, its own and its tasks'."""


def compile_workflow(
    document: Any, task_definitions: Mapping[str, TaskDefinition], save: int, *, is_saved: bool = True
) -> Compiled:
    """`save` is the number that the plan is to carry. Only what a user has saved, or is about to, may name secrets:
    other definitions come out of data."""
    findings: list[Finding] = []
    plan, found = _compile(Fields(document, "", findings), task_definitions, save, KEEP if is_saved else "")
    findings.extend(_recursion(plan, found.starts))
    starts = [(start.path, start.name, start.version) for start in found.starts]
    return Compiled(plan, findings, found.scripts, found.sinks, found.clusters, starts, found.shapes)


def _compile(
    fields: Fields, task_definitions: Mapping[str, TaskDefinition], save: int, keep: str
) -> tuple[Plan, Compilation]:
    refs = frozenset(references(fields.value.get("tasks")))
    compilation = Compilation(
        fields.findings,
        task_definitions,
        refs,
        examine=lambda inner: _compile(inner, task_definitions, save, "")[1],
        keep=keep,
    )
    entry = compilation.sequence(list(fields.each("tasks")), None)
    if not fields.items("tasks"):
        fields.add("tasks", "a workflow needs at least one task", "missing")
    output = fields.object("outputParameters")
    has_expansions = any(step.kind in _EXPANDED for step in compilation.steps.values())
    failure = fields.text("failureWorkflow") or None
    failure_version = fields.whole("failureWorkflowVersion", at_least=0) or None
    announce = read_announce(fields)
    if announce is not None:
        compilation.sinks.append((fields.at(SINK), announce.target))
    shapes = read_shapes(fields, is_enforced=True)
    compilation.shapes += placed(fields, shapes)
    plan = Plan(
        name=read_label(fields, "name"),
        version=fields.whole("version", 1, at_least=1),
        save=save,
        entry=entry,
        steps=compilation.steps,
        output=compilation.outside(output, fields.at("outputParameters"), _OUTPUT) if output else None,
        variables=fields.object("variables"),
        input_defaults=fields.object("inputTemplate"),
        timeout_s=fields.whole("timeoutSeconds"),
        is_timeout_fatal=fields.choice("timeoutPolicy", TIMEOUT_POLICIES, "ALERT_ONLY") == "TIME_OUT_WF",
        failure_workflow=(failure, failure_version) if failure else None,
        failure_input=failure_input if failure else None,
        source=fields.value,
        is_restartable=fields.flag("restartable", True),
        expand=expander(task_definitions, refs) if has_expansions else None,
        announce=announce,
        input_shape=shapes[0],
        output_shape=shapes[1],
        at_once=read_rate_limit(fields, lambda value, path: compilation.outside(value, path, "a rate limit's key")),
    )
    read_masks(fields)
    warn_not_yet(fields, WORKFLOW_NOT_YET)
    fields.finish(WORKFLOW_NOTED)
    compilation.check_references()
    return plan, compilation


def _recursion(plan: Plan, starts: Sequence[Start]) -> Iterator[Finding]:
    for start in starts:
        if start.is_certain and start.name == plan.name and start.version in (None, plan.version):
            message = f"the workflow {plan.name!r} starts itself in every run: put the task into a case of a SWITCH"
            yield Finding(start.path, message, "loop", "warning")
