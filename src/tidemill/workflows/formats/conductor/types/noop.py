"""NOOP: does nothing."""

from __future__ import annotations

from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType


def _read(source: Source) -> Draft:
    return Draft("noop", source.without())


NOOP = TaskType("NOOP", "Completes at once and does nothing.", _read)
