"""Asks the sandbox whether values are as their shapes say. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.core.codec import to_json
from tidemill.core.errors import NotFound
from tidemill.core.findings import Finding
from tidemill.expressions.json_schema import JUDGE, examination, findings_of, question
from tidemill.sandbox.script import Computed, Sandbox, ScriptError
from tidemill.workflows.plans.shapes import Check, Shape
from tidemill.workflows.ports import Plans


async def judge(sandbox: Sandbox, plans: Plans, checks: Sequence[Check]) -> Sequence[Computed]:
    """All in one call. A schema that there is not is an answer too."""
    answers: dict[int, Computed] = {}
    questions: dict[int, bytes] = {}
    for index, check in enumerate(checks):
        try:
            questions[index] = question(plans.schema(check.shape), to_json(check.value))
        except NotFound as error:
            answers[index] = Computed(error=ScriptError("type", str(error)))
    if questions:
        computed = await sandbox.run(JUDGE, list(questions.values()))
        answers |= zip(questions, computed, strict=True)
    return [answers[index] for index in range(len(checks))]


async def examine(sandbox: Sandbox, shapes: Sequence[tuple[str, Shape]]) -> list[Finding]:
    """What is wrong with the schemas themselves, of those (place, shape) that bring their text along."""
    own = [(path, shape) for path, shape in shapes if shape.text]
    if not own:
        return []
    computed = await sandbox.run(JUDGE, [examination(shape.text) for _, shape in own])
    return [finding for (path, _), answer in zip(own, computed, strict=True) for finding in findings_of(answer, path)]
