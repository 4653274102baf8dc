"""Conductor's task types: what is in this folder, one file each. Reading and the reference come from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from tidemill.workflows.formats.conductor.source import TaskType


def _found() -> Iterator[TaskType]:
    for module in iter_modules(__path__):
        values = vars(import_module(f"{__name__}.{module.name}")).values()
        yield from (each for each in values if isinstance(each, TaskType))


TYPES: tuple[TaskType, ...] = tuple(sorted(_found(), key=lambda each: each.name))
BY_NAME: Mapping[str, TaskType] = {name: each for each in TYPES for name in (each.name, *each.aliases)}
