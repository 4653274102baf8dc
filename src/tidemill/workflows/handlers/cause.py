"""What the actions of a handler see of one record, and how they read names and ids out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tidemill.expressions.template import Template, as_text
from tidemill.ingest.record import Record
from tidemill.workflows.effects import unfit
from tidemill.workflows.handlers.body import expand
from tidemill.workflows.handlers.record_view import record_view


class BadAction(Exception):
    """What a template gave cannot be used; the record is invalid for this handler. Never leaves the route."""


class Cause:
    """One record on its way through one handler. What costs something is made when first asked for."""

    __slots__ = ("_expanded", "_view", "body", "event", "handler", "record")

    def __init__(self, handler: str, event: str, record: Record, body: Any) -> None:
        self.handler = handler
        self.event = event
        self.record = record
        self.body = body
        self._expanded: Any = _UNSET
        self._view: Mapping[str, Any] | None = None

    @property
    def message_id(self) -> str:
        record = self.record
        return f"{record.topic}-{record.partition}-{record.offset}"

    def render(self, template: Template, is_expanded: bool) -> Any:
        if template.is_constant:
            return template.render(None)
        return template.render(self.expanded if is_expanded else self.body, self.view)

    @property
    def expanded(self) -> Any:
        if self._expanded is _UNSET:
            self._expanded = expand(self.body)
        return self._expanded

    @property
    def view(self) -> Mapping[str, Any]:
        """`$record`."""
        if self._view is None:
            self._view = record_view(self.record)
        return self._view


_UNSET: Any = object()


class TextTemplate(msgspec.Struct, frozen=True):
    """A template that has to give a short text. `path` is where it stands, for messages. What is `constant`
    has been checked when it was read."""

    template: Template
    path: str
    constant: str | None = None

    def required(self, cause: Cause, is_expanded: bool) -> str:
        text = self.optional(cause, is_expanded)
        if not text:
            raise BadAction(f"{self.path}: {self.template.source!r} gave no value")
        return text

    def optional(self, cause: Cause, is_expanded: bool) -> str | None:
        """None for null. Raises `BadAction` for what is no text or cannot be stored."""
        if self.template.is_constant:
            return self.constant
        value = cause.render(self.template, is_expanded)
        if value is None:
            return None
        if isinstance(value, dict | list):
            kind = "an object" if isinstance(value, dict) else "a list"
            raise BadAction(f"{self.path}: {self.template.source!r} gave {kind} where a text is needed")
        text = as_text(value)
        problem = unfit(text)
        if problem:
            raise BadAction(f"{self.path}: {problem}")
        return text
