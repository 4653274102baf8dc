"""The walk through the tasks of one document: lists of tasks to steps and edges, and all that is found on the way.

What a type's own keys mean is in `types/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tidemill.core.codec import to_json
from tidemill.core.findings import Finding, near
from tidemill.expressions.document import Fields, as_whole, read_label
from tidemill.expressions.template import Template
from tidemill.sandbox.script import Script
from tidemill.workflows.formats.conductor.cache import read_cache
from tidemill.workflows.formats.conductor.keys import TASK_NOTED, TYPES_NOT_YET, WORKER_TYPES
from tidemill.workflows.formats.conductor.references import Place, Reading, absence, reference_findings
from tidemill.workflows.formats.conductor.source import Source, TaskType
from tidemill.workflows.formats.conductor.state_change import KEY as STATE_CHANGES
from tidemill.workflows.formats.conductor.state_change import Announces, read_state_changes
from tidemill.workflows.formats.conductor.task_definition import (
    UNDEFINED,
    TaskDefinition,
    read_embedded,
)
from tidemill.workflows.formats.conductor.types import BY_NAME, TYPES
from tidemill.workflows.plans.plan import NEXT, Step
from tidemill.workflows.plans.shapes import Shape
from tidemill.workflows.secrets import mentions_secrets
from tidemill.workflows.tasks import KINDS

CHOICES = frozenset({"SWITCH", "DECISION"})


class Start(msgspec.Struct, frozen=True):
    """At `path` the document names a workflow that it starts; `is_certain`: whichever way the execution takes."""

    path: str
    name: str
    version: int | None
    is_certain: bool


class Compilation:
    """`refs` are the reference names of the document; `given` are inputs that are values already, by reference name;
    `within` are the containers around all of it, as `Step.within` has them. `examine` looks at a definition inside the
    document; without it they are left alone. `keep` is how expressions begin that stay as they are written: only in
    what a user has saved, never in tasks that are made from data."""

    def __init__(
        self,
        findings: list[Finding],
        task_definitions: Mapping[str, TaskDefinition],
        refs: frozenset[str],
        given: Mapping[str, Mapping[str, Any]] | None = None,
        within: Sequence[bool] = (),
        examine: Callable[[Fields], Compilation] | None = None,
        keep: str = "",
    ) -> None:
        self.findings = findings
        self.task_definitions = task_definitions
        self.names = refs | {"workflow"}
        self.steps: dict[str, Step] = {}
        self.scripts: list[tuple[str, Script]] = []
        self.sinks: list[tuple[str, tuple[str, str]]] = []
        self.clusters: list[tuple[str, tuple[str, str]]] = []
        self.starts: list[Start] = []
        self.shapes: list[tuple[str, Shape]] = []
        self._given = given or {}
        self._within = tuple(within)
        self._examine = examine
        self._keep = keep
        self._places: dict[str, Place] = {}
        self._readings: list[Reading] = []
        self._kept: list[tuple[str, str]] = []
        """Of the task that is being read: each expression that stays as it is written, with its place."""
        self._here: Place | None = None
        self._sequences = 0

    def path(self, tasks: Sequence[Fields], *, is_loop: bool) -> str | None:
        outer, self._within = self._within, (*self._within, is_loop)
        entry = self.sequence(tasks, None)
        self._within = outer
        return entry

    def sequence(self, tasks: Sequence[Fields], after: str | None) -> str | None:
        self._sequences += 1
        number, above = self._sequences, self._here
        refs = [str(task.value.get("taskReferenceName")) for task in tasks]
        neighbours = [None, *(task.value for task in tasks), None]
        for index, (task, following) in enumerate(zip(tasks, [*refs, after][1:], strict=True)):
            self._here = Place(refs[index], _type_of(task), number, index, above)
            self._task(task, following, neighbours[index], neighbours[index + 2])
        self._here = above
        return [*refs, after][0]

    def template(self, value: Any, path: str) -> Template:
        fields = Fields({}, "", self.findings)
        template = fields.compiled(value, path, self._keep)
        self._kept.extend((path, name) for name in sorted(template.kept))
        if not self._keep and "workflow" in template.roots and mentions_secrets(to_json(value).decode()):
            message = (
                "not supported: ${workflow.secrets...} in what is made while it runs: saved definitions name secrets"
            )
            self.findings.append(Finding(path, message, "not_supported"))
        if template.roots:
            self._readings.append(Reading(path, template, self._here))
        return template

    def outside(self, value: Any, path: str, what: str) -> Template:
        """A template that is no task's."""
        template = self.template(value, path)
        self._refuse_secrets(what)
        return template

    def script(self, script: Script, path: str) -> None:
        self.scripts.append((path, script))

    def absence(self, ref: str) -> str | None:
        """Tasks are walked in their order: one that has no place yet comes later."""
        if self._here is None or ref not in self._places:
            return "comes later"
        return absence(self._here, self._places[ref])

    def start(self, name: str, version: Any, path: str) -> None:
        way = self._here.way if self._here else ()
        self.starts.append(Start(path, name, as_whole(version), all(place.type not in CHOICES for place in way)))

    def inner(self, definition: Fields) -> None:
        if self._examine is None:
            return
        found = self._examine(definition)
        self.scripts += found.scripts
        self.sinks += found.sinks
        self.clusters += found.clusters
        self.shapes += found.shapes
        self.starts += (msgspec.structs.replace(start, is_certain=False) for start in found.starts)

    def check_references(self) -> None:
        self.findings.extend(reference_findings(self._readings, self._places, self.names))

    def _task(
        self, fields: Fields, following: str | None, before: dict[str, Any] | None, behind: dict[str, Any] | None
    ) -> None:
        name, ref = read_label(fields, "name"), read_label(fields, "taskReferenceName")
        if ref in self._places:
            fields.add("taskReferenceName", f"{ref!r} is the reference name of another task too", "duplicate")
        elif ref and self._here is not None:
            self._places[ref] = self._here
        kind = _type_of(fields)
        fields.text("type")
        definition = self._definition(fields, name)
        inputs = {**definition.inputs, **fields.object("inputParameters")}
        source = Source(fields, inputs, following, self, self._given.get(ref, {}), before, behind)
        if kind in BY_NAME:
            self.steps[ref] = self._step(source, BY_NAME[kind], (name, ref), definition)
        else:
            _no_such_type(fields, kind)
        fields.finish(TASK_NOTED)

    def _step(self, source: Source, kind: TaskType, names: tuple[str, str], definition: TaskDefinition) -> Step:
        fields = source.fields
        name, ref = names
        outer, self._kept = self._kept, []
        draft = kind.read(source)
        if not kind.takes_secrets:
            self._refuse_secrets(f"a task of type {kind.name}")
        self._kept = outer
        self.sinks.extend((fields.at(key), target) for key, target in draft.sinks)
        self.clusters.extend((fields.at(key), target) for key, target in draft.clusters)
        if "asyncComplete" not in kind.keys and fields.flag("asyncComplete"):
            fields.warn("asyncComplete", f"without effect on a task of type {kind.name}")
        retries = fields.whole("retryCount", definition.retry.count)
        is_permissive = fields.flag("permissive")
        return Step(
            ref=ref,
            kind=draft.kind,
            name=name,
            input=draft.input,
            settings=draft.settings,
            edges={NEXT: source.following} if draft.edges is None else draft.edges,
            retry=msgspec.structs.replace(definition.retry, count=retries),
            is_optional=fields.flag("optional") or is_permissive,
            start_delay_s=fields.whole("startDelay"),
            response_timeout_s=definition.response_timeout_s if kind.name in WORKER_TYPES else 0,
            source=fields.value,
            branches=draft.branches,
            body=draft.body,
            limits=definition.limits,
            within=self._within,
            cache=read_cache(source, kind, KINDS[draft.kind]),
            announces=self._announces(fields),
            input_shape=definition.input_shape,
            output_shape=definition.output_shape,
        )

    def _announces(self, fields: Fields) -> Announces:
        """What is told of the task is no input of it: what that may name, this may not."""
        outer, self._kept = self._kept, []
        announces, sinks = read_state_changes(fields, self.template)
        self._refuse_secrets(STATE_CHANGES)
        self._kept = outer
        self.sinks.extend(sinks)
        return announces

    def _refuse_secrets(self, where: str) -> None:
        """A secret goes to whoever is handed a task. Anywhere else it would be stored or published."""
        for path, name in self._kept:
            message = (
                f"not supported: ${{{name}}} in {where}: it would be stored or published; secrets go into the inputs "
                f"of tasks that are handed over ({', '.join(each.name for each in TYPES if each.takes_secrets)})"
            )
            self.findings.append(Finding(path, message, "not_supported"))

    def _definition(self, fields: Fields, name: str) -> TaskDefinition:
        """What stands in the task itself wins over what is registered under its name."""
        if fields.raw("taskDefinition") is not None:
            embedded = read_embedded(fields.fields("taskDefinition"))
            self.shapes.extend(embedded.shapes)
            return embedded
        definition = self.task_definitions.get(name, UNDEFINED)
        self.shapes.extend((fields.at("name"), shape) for _, shape in definition.shapes)
        return definition


def _type_of(fields: Fields) -> str:
    kind = fields.value.get("type")
    return kind if isinstance(kind, str) and kind else "SIMPLE"


def _no_such_type(fields: Fields, kind: str) -> None:
    """Says so, and marks the common keys of a task that has no step as known."""
    if kind in TYPES_NOT_YET:
        why = TYPES_NOT_YET[kind]
        fields.add("type", f"not yet supported: task type {kind}: {why}", "not_supported")
    else:
        fields.add("type", f"unknown task type {kind!r}{near(kind, (*BY_NAME, *TYPES_NOT_YET))}")
    for key in ("retryCount", "optional", "permissive", "startDelay", "cacheConfig", STATE_CHANGES):
        fields.raw(key)
