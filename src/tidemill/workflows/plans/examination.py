"""The examination of a document before it is saved: its findings, or `BadInput` with all of them. Saves nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from tidemill.core.errors import BadInput
from tidemill.core.findings import Finding
from tidemill.expressions.document import refuse, refuse_depth
from tidemill.sandbox.script import Sandbox, Script
from tidemill.workflows.formats.conductor.definition import compile_workflow
from tidemill.workflows.formats.conductor.task_definition import read_task_definition
from tidemill.workflows.handlers.definition import read_handler
from tidemill.workflows.plans.compiled import CompiledPlans
from tidemill.workflows.plans.judging import examine as examine_shapes

Examine = Callable[[Any], Awaitable[Sequence[Finding]]]


class Examination:
    """Looks at documents in the light of the definitions that there are. The caller has refreshed `plans`."""

    def __init__(self, plans: CompiledPlans, sandbox: Sandbox) -> None:
        self._plans = plans
        self._sandbox = sandbox

    async def workflow(self, document: Any) -> Sequence[Finding]:
        refuse_depth(document, "definition")
        snapshot = self._plans.snapshot
        compiled = compile_workflow(document, snapshot.task_definitions, save=0)
        findings = [
            *compiled.findings,
            *await self._scripts(compiled.scripts),
            *await examine_shapes(self._sandbox, compiled.shapes),
            *snapshot.around_workflow(compiled),
        ]
        refuse(findings)
        return [*findings, *snapshot.loops_of_workflow(compiled.plan)]

    async def task(self, document: Any) -> Sequence[Finding]:
        refuse_depth(document, "definition")
        definition, found = read_task_definition(document)
        shapes = definition.shapes
        findings = [*found, *await examine_shapes(self._sandbox, shapes), *self._plans.snapshot.around_shapes(shapes)]
        refuse(findings)
        return findings

    async def handler(self, document: Any) -> Sequence[Finding]:
        refuse_depth(document, "definition")
        handler, findings = read_handler(document)
        script = handler.condition.script
        if script is not None:
            findings.extend(await self._scripts([("condition", script)]))
        snapshot = self._plans.snapshot
        findings.extend(snapshot.around_handler(handler))
        refuse(findings)
        return [*findings, *snapshot.loops_of_handler(handler)]

    async def _scripts(self, scripts: Iterable[tuple[str, Script]]) -> list[Finding]:
        return [
            replace(finding, path=path) for path, script in scripts for finding in await self._sandbox.check(script)
        ]


async def examine_all(documents: Any, examine: Examine) -> list[tuple[Any, Sequence[Finding]]]:
    """Each document with its findings. Raises `BadInput` with what is wrong with any of them."""
    if not isinstance(documents, list):
        raise BadInput("must be a list of definitions")
    examined: list[tuple[Any, Sequence[Finding]]] = []
    wrong: list[Finding] = []
    for index, document in enumerate(documents):
        try:
            examined.append((document, await examine(document)))
        except BadInput as error:
            wrong.extend(_within(finding, index, len(documents)) for finding in error.findings)
    if wrong:
        raise BadInput(wrong)
    return examined


def _within(finding: Finding, index: int, count: int) -> Finding:
    """The place in the whole list; a definition that came alone is the whole."""
    if count == 1:
        return finding
    return replace(finding, path=f"[{index}].{finding.path}" if finding.path else f"[{index}]")
