"""`maskedFields` of a workflow: the values of these keys are not shown to those who look at its executions.

What runs sees them, and so do workers. Changes nothing that is stored.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tidemill.expressions.document import Fields
from tidemill.workflows.plans.plan import Plan

KEY = "maskedFields"
MASK = "***"


def read_masks(fields: Fields) -> None:
    """What is wrong with them."""
    for index, name in enumerate(fields.items(KEY)):
        if not isinstance(name, str) or not name:
            fields.add(f"{KEY}[{index}]", "must be the name of a key", "type")


def masked(value: Any, plan: Plan | None) -> Any:
    """The value without what is under these keys, however deep."""
    names = plan.source.get(KEY) if plan is not None else None
    return _masked(value, names) if names else value


def _masked(value: Any, names: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {key: MASK if key in names else _masked(item, names) for key, item in value.items()}
    return [_masked(item, names) for item in value] if isinstance(value, list | tuple) else value
