"""What both kinds that start another workflow have in common: their settings, and how they are read."""

from __future__ import annotations

from typing import Any, cast, get_args

import msgspec

from tidemill.expressions.document import as_whole
from tidemill.expressions.template import Template
from tidemill.workflows.effects import IdempotencyStrategy
from tidemill.workflows.tasks.directive import StartChild
from tidemill.workflows.tasks.kind import Context


class StartSettings(msgspec.Struct, frozen=True):
    """Templates over the execution. `version` None: the latest. `definition` renders to a definition that is not
    registered, in the format's own JSON, and wins over name and version. `input` None: the task's own input.
    What is None otherwise is as in the execution that starts it."""

    name: Template | None = None
    version: Template | None = None
    definition: Template | None = None
    input: Template | None = None
    correlation_id: Template | None = None
    task_to_domain: Template | None = None
    idempotency_key: Template | None = None
    idempotency_strategy: Template | None = None
    priority: Template | None = None

    @property
    def started(self) -> tuple[str, int | None] | None:
        """(name, version) of the registered workflow, where that is known before it runs."""
        if self.name is None or self.definition is not None or not self.name.is_constant:
            return None
        version = as_whole(self.version.render(None)) if self.version and self.version.is_constant else None
        return str(self.name.render(None)), version or None


def start_of(settings: StartSettings, given: Any, context: Context, *, is_awaited: bool) -> StartChild:
    """Raises `ValueError` with a sentence for people."""

    def rendered(template: Template | None) -> Any:
        return None if template is None else context.render(template)

    definition = rendered(settings.definition)
    if definition is not None and not isinstance(definition, dict):
        raise ValueError(f"the workflow's definition must be an object, not {type(definition).__name__}")
    name = rendered(settings.name)
    if definition is None and (not isinstance(name, str) or not name):
        raise ValueError(f"the workflow's name must be a text, not {name!r}")
    return StartChild(
        name if isinstance(name, str) else "",
        _whole("version", rendered(settings.version)) or None,
        given if settings.input is None else rendered(settings.input),
        is_awaited=is_awaited,
        definition=definition,
        correlation_id=_text(rendered(settings.correlation_id)),
        task_to_domain=_domains(rendered(settings.task_to_domain)),
        idempotency_key=_text(rendered(settings.idempotency_key)),
        idempotency_strategy=_strategy(rendered(settings.idempotency_strategy)),
        priority=_whole("priority", rendered(settings.priority)),
    )


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _whole(what: str, value: Any) -> int | None:
    if value is None or value == "":
        return None
    number = as_whole(value)
    if number is None:
        raise ValueError(f"the workflow's {what} must be a whole number, not {value!r}")
    return number


def _domains(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(domain, str) for domain in value.values()):
        raise ValueError("the domains of tasks must be an object of texts")
    return value


def _strategy(value: Any) -> IdempotencyStrategy:
    if value is None:
        return "RETURN_EXISTING"
    if value not in get_args(IdempotencyStrategy):
        raise ValueError(f"the idempotency strategy must be one of {', '.join(get_args(IdempotencyStrategy))}")
    return cast(IdempotencyStrategy, value)
