"""What the tests of Conductor's format share: documents with the least that they need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.core.findings import Finding
from tidemill.workflows.formats.conductor.definition import Compiled, compile_workflow
from tidemill.workflows.formats.conductor.task_definition import TaskDefinition
from tidemill.workflows.plans.plan import Plan


def workflow(*tasks: Any, **keys: Any) -> dict[str, Any]:
    return {"name": "w", "version": 1, "tasks": list(tasks) or [task("a")], **keys}


def task(ref: str, kind: str = "SIMPLE", inputs: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    return {"name": f"{ref}_name", "taskReferenceName": ref, "type": kind, "inputParameters": inputs or {}, **keys}


def compiled(document: Any, definitions: Mapping[str, TaskDefinition] | None = None) -> Compiled:
    return compile_workflow(document, definitions or {}, save=1)


def plan_of(document: Any, definitions: Mapping[str, TaskDefinition] | None = None) -> Plan:
    result = compiled(document, definitions)
    assert not result.findings, result.findings
    return result.plan


def told(findings: Any) -> list[tuple[str, str, str]]:
    shown: list[Finding] = list(findings)
    return [(finding.path, finding.message, finding.level) for finding in shown]
