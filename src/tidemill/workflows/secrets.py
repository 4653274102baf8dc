"""Secrets in a task's input: named by the definition, put in when the task is handed over, stored nowhere.

Whoever hands a task over (to a worker, to a server over HTTP) calls `filled` with the template that the input was
rendered from. Only what the *definition* says is replaced: a record or a result that has `${workflow.secrets.KEY}` in
it stays the text that it is. What comes out must go into no document, no log and no answer but the hand-over itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from tidemill.core.errors import NotFound
from tidemill.expressions.template import Template
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.state.state import Task

KEEP = "workflow.secrets."
"""How an expression begins that is kept as it is written when inputs are rendered."""

_MENTION = re.compile(r"(?<!\$)\$\{\s*" + re.escape(KEEP) + r"([^}]*?)\s*\}")


def mentions_secrets(text: str) -> bool:
    return _MENTION.search(text) is not None


def names_mentioned(text: str) -> frozenset[str]:
    return frozenset(_MENTION.findall(text))


def names_in(templates: Collection[Template]) -> frozenset[str]:
    return frozenset(kept.removeprefix(KEEP) for template in templates for kept in template.kept)


def input_template(task: Task, plan: Plan) -> Template | None:
    """What the task's input was rendered from, where it names secrets."""
    step = plan.steps.get(task.ref)
    return step.input if step is not None and step.input.kept else None


def filled(template: Template, value: Any, secrets: Mapping[str, str]) -> Any:
    """`value`, rendered from `template`, with the secrets in it; `value` itself stays as it is. Raises `NotFound` that
    names the missing."""
    missing = sorted(names_in([template]).difference(secrets))
    if missing:
        raise NotFound(f"there is no secret {', '.join(map(repr, missing))}, or it cannot be read")
    return _filled(template.source, value, secrets)


def _filled(source: Any, value: Any, secrets: Mapping[str, str]) -> Any:
    """A rendered value has the shape of its source, except where something was put into its place whole."""
    if isinstance(source, str) and isinstance(value, str):
        names = set(_MENTION.findall(source))
        return _replaced(value, {name: secrets[name] for name in names}) if names else value
    if isinstance(source, dict) and isinstance(value, dict):
        return {key: _filled(source[key], item, secrets) if key in source else item for key, item in value.items()}
    if isinstance(source, list) and isinstance(value, list) and len(source) == len(value):
        return [_filled(part, item, secrets) for part, item in zip(source, value, strict=True)]
    return value


def _replaced(text: str, secrets: Mapping[str, str]) -> str:
    """In one go: a secret that has another's name in it stays what it is."""
    return _MENTION.sub(lambda found: secrets.get(found[1], found[0]), text)
