"""All definitions of this domain at one revision, read and compiled. Immutable; a new revision makes a new one.

What lies around a definition (integrations, other definitions) is judged here, anew at every revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tidemill.core.codec import from_json, to_json
from tidemill.core.definitions import Definition, DefinitionStore, Kind
from tidemill.core.errors import BadInput, NotFound
from tidemill.core.findings import Finding, errors, near
from tidemill.ingest.clusters import IntegrationDirectory, IntegrationInfo, integration_of
from tidemill.ingest.loops import Flow, find_loops
from tidemill.workflows.formats.conductor.definition import Compiled, compile_workflow
from tidemill.workflows.formats.conductor.task_definition import TaskDefinition, read_task_definition
from tidemill.workflows.handlers.definition import Handler, read_handler
from tidemill.workflows.plans.data_loops import flows_of, handler_owner, workflow_owner
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.plans.shapes import Shape


class StoredWorkflow(msgspec.Struct, frozen=True):
    definition: Definition
    compiled: Compiled


class StoredTask(msgspec.Struct, frozen=True):
    definition: Definition
    task: TaskDefinition
    findings: Sequence[Finding]


class StoredHandler(msgspec.Struct, frozen=True):
    definition: Definition
    handler: Handler
    findings: Sequence[Finding]


_ANYTHING = "{}"


class StoredSchema(msgspec.Struct, frozen=True):
    """`text` is the JSON Schema; empty where it is of another type, or has none."""

    definition: Definition
    text: str


class Snapshot(msgspec.Struct, frozen=True):
    """`newest` has the highest version of each workflow."""

    revision: int
    workflows: Mapping[tuple[str, int], StoredWorkflow] = {}
    newest: Mapping[str, int] = {}
    tasks: Mapping[str, StoredTask] = {}
    handlers: Mapping[str, StoredHandler] = {}
    integrations: Mapping[str, IntegrationInfo] = {}
    integration_names: frozenset[str] = frozenset()
    """Also of those that cannot be used, because their secrets cannot be read."""
    blocked: Mapping[tuple[str, int], BadInput] = {}
    """Workflows that cannot run, and why."""
    besides: Callable[[], Sequence[Flow]] = tuple
    """What other domains read and publish."""
    schemas: Mapping[tuple[str, int], StoredSchema] = {}

    @property
    def task_definitions(self) -> dict[str, TaskDefinition]:
        return {name: stored.task for name, stored in self.tasks.items()}

    @property
    def plans(self) -> Iterator[Plan]:
        return (stored.compiled.plan for stored in self.workflows.values())

    def around_workflow(self, compiled: Compiled) -> list[Finding]:
        """What is wrong around a workflow, except loops."""
        findings = [
            finding
            for path, (integration, _) in compiled.sinks
            if (finding := self._integration_finding(path, integration)) is not None
        ]
        findings += [
            finding
            for path, (cluster, _) in compiled.clusters
            if (finding := self._cluster_finding(path, cluster)) is not None
        ]
        plan = compiled.plan
        if plan.failure_workflow and plan.failure_workflow[0] != plan.name:
            findings.extend(self._workflow_finding("failureWorkflow", *plan.failure_workflow))
        for path, name, version in compiled.starts:
            if name != plan.name:
                findings.extend(self._workflow_finding(path, name, version))
        return [*findings, *self.around_shapes(compiled.shapes)]

    def around_shapes(self, shapes: Sequence[tuple[str, Shape]]) -> list[Finding]:
        findings = []
        for path, shape in shapes:
            try:
                if not shape.text and self.schema(shape) == _ANYTHING:
                    message = (
                        f"not checked: schema {shape.name!r} version {shape.version} has no JSON Schema in its data"
                    )
                    findings.append(Finding(path, message, "not_supported", "warning"))
            except NotFound as error:
                findings.append(Finding(path, str(error), "unknown_schema"))
        return findings

    def schema(self, shape: Shape) -> str:
        """One that is no JSON Schema lets anything be. Raises `NotFound`."""
        stored = self.schemas.get((shape.name, shape.version))
        if stored is None:
            known = near(shape.name, {name for name, _ in self.schemas if name != shape.name})
            raise NotFound(f"there is no schema {shape.name!r} version {shape.version}{known}")
        return stored.text or _ANYTHING

    def around_handler(self, handler: Handler) -> list[Finding]:
        """What is wrong around an event handler, except loops.

        A workflow that is not registered is a warning: the handler goes on reading, and each record becomes
        a dead letter that can be replayed, while a handler that stands still would let them pass unseen."""
        findings = []
        if handler.integration:
            finding = self._integration_finding("event", handler.integration)
            findings = [finding] if finding else []
        for name, version, index in handler.starts():
            findings.extend(self._workflow_finding(f"actions[{index}].start_workflow.name", name, version))
        return findings

    def loops_of_handler(self, handler: Handler) -> list[Finding]:
        others = [stored.handler for name, stored in self.handlers.items() if name != handler.name]
        loops = find_loops([*flows_of([*others, handler], self.plans, self._named), *self.besides()])
        return [loop.finding("event") for loop in loops if handler_owner(handler.name) in loop.owners]

    def loops_of_workflow(self, plan: Plan) -> list[Finding]:
        key = (plan.name, plan.version)
        others = [other for other in self.plans if (other.name, other.version) != key]
        handlers = [stored.handler for stored in self.handlers.values()]
        loops = find_loops([*flows_of(handlers, [*others, plan], self._named), *self.besides()])
        return [loop.finding("tasks") for loop in loops if workflow_owner(*key) in loop.owners]

    def flows(self) -> Iterator[Flow]:
        """For the others to find loops with."""
        return flows_of([stored.handler for stored in self.handlers.values()], self.plans, self._named)

    def _named(self, cluster: str) -> str:
        return integration_of(self.integrations, cluster) or cluster

    def definition(self, kind: Kind, name: str, version: int | None) -> Definition | None:
        stored: StoredWorkflow | StoredTask | StoredHandler | None
        if kind == "workflow":
            stored = self.workflows.get((name, version or self.newest.get(name, 0)))
        elif kind == "task":
            stored = self.tasks.get(name)
        else:
            stored = self.handlers.get(name) if kind == "event_handler" else None
        return stored.definition if stored else None

    def findings(self, kind: Kind, name: str, version: int | None) -> Sequence[Finding] | None:
        """What there is to say about a definition at this revision; None where there is none."""
        if kind == "workflow":
            workflow = self.workflows.get((name, version or self.newest.get(name, 0)))
            return self._of_workflow(workflow.compiled) if workflow else None
        if kind == "task":
            stored = self.tasks.get(name)
            return [*stored.findings, *self.around_shapes(stored.task.shapes)] if stored else None
        is_handler = kind == "event_handler" and name in self.handlers
        return self._of_handler(self.handlers[name]) if is_handler else None

    def _of_workflow(self, compiled: Compiled) -> Sequence[Finding]:
        return [*compiled.findings, *self.around_workflow(compiled), *self.loops_of_workflow(compiled.plan)]

    def _of_handler(self, stored: StoredHandler) -> Sequence[Finding]:
        return [*stored.findings, *self.around_handler(stored.handler), *self.loops_of_handler(stored.handler)]

    def _integration_finding(self, path: str, name: str) -> Finding | None:
        info = self.integrations.get(name)
        if info is None:
            return Finding(
                path, f"there is no integration {name!r}{near(name, self.integrations)}", "unknown_integration"
            )
        if not info.is_enabled:
            message = f"the integration {name!r} is switched off: nothing is read or published until it is on"
            return Finding(path, message, "integration_off", "warning")
        return None

    def _cluster_finding(self, path: str, cluster: str) -> Finding | None:
        name = integration_of(self.integrations, cluster)
        if name is None:
            message = f"no integration has the bootstrap servers {cluster}: create one, also for its credentials"
            return Finding(path, message, "unknown_integration")
        return self._integration_finding(path, name)

    def _workflow_finding(self, path: str, name: str, version: int | None) -> list[Finding]:
        if name not in self.newest:
            message = f"no workflow {name!r} is registered{near(name, self.newest)}"
        elif version is not None and (name, version) not in self.workflows:
            message = f"the workflow {name!r} has no version {version}; the highest is {self.newest[name]}"
        else:
            return []
        return [Finding(path, message, "unknown_workflow", "warning")]


EMPTY = Snapshot(revision=-1)


async def take_snapshot(
    store: DefinitionStore, directory: IntegrationDirectory, revision: int, previous: Snapshot
) -> Snapshot:
    """Reads all definitions; compiles only what has changed since `previous`."""
    tasks = {item.name: _task(item, previous) for item in await store.all("task")}
    has_same_tasks = tasks == previous.tasks
    task_definitions = {name: stored.task for name, stored in tasks.items()}
    workflows = {
        (item.name, item.version): _workflow(item, previous if has_same_tasks else EMPTY, task_definitions)
        for item in await store.all("workflow")
    }
    newest: dict[str, int] = {}
    for name, version in workflows:
        newest[name] = max(version, newest.get(name, version))
    integrations = await directory.integrations()
    snapshot = Snapshot(
        revision=revision,
        workflows=workflows,
        newest=newest,
        tasks=tasks,
        handlers={item.name: _handler(item, previous) for item in await store.all("event_handler")},
        integrations=integrations,
        schemas={(item.name, item.version): _schema(item, previous) for item in await store.all("schema")},
        besides=previous.besides,
        integration_names=frozenset(integrations) | {item.name for item in await store.all("integration")},
    )
    return msgspec.structs.replace(snapshot, blocked=dict(_blocked(snapshot)))


def _blocked(snapshot: Snapshot) -> Iterator[tuple[tuple[str, int], BadInput]]:
    for key, stored in snapshot.workflows.items():
        findings = errors([*stored.compiled.findings, *snapshot.around_workflow(stored.compiled)])
        if findings:
            yield key, BadInput(findings)


def document_of(definition: Definition) -> Any:
    return from_json(definition.document)


def _schema(definition: Definition, previous: Snapshot) -> StoredSchema:
    known = previous.schemas.get((definition.name, definition.version))
    if known is not None and known.definition == definition:
        return known
    document = document_of(definition)
    data = document.get("data") if document.get("type", "JSON") == "JSON" else None
    return StoredSchema(definition, to_json(data).decode() if data else "")


def _task(definition: Definition, previous: Snapshot) -> StoredTask:
    known = previous.tasks.get(definition.name)
    if known is not None and known.definition == definition:
        return known
    return StoredTask(definition, *read_task_definition(document_of(definition)))


def _workflow(
    definition: Definition, previous: Snapshot, task_definitions: Mapping[str, TaskDefinition]
) -> StoredWorkflow:
    known = previous.workflows.get((definition.name, definition.version))
    if known is not None and known.definition == definition:
        return known
    return StoredWorkflow(definition, compile_workflow(document_of(definition), task_definitions, definition.save))


def _handler(definition: Definition, previous: Snapshot) -> StoredHandler:
    known = previous.handlers.get(definition.name)
    if known is not None and known.definition == definition:
        return known
    return StoredHandler(definition, *read_handler(document_of(definition)))
