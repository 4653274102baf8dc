"""Conductor's rule for what is true, and what a script sees of a record. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.core.codec import to_json


def is_true(value: Any) -> bool:
    """A boolean is what it is, a number is true above zero, and everything else is false: also `"true"`."""
    if isinstance(value, bool):
        return value
    return isinstance(value, int | float) and value > 0


def binding(body: bytes, record: Mapping[str, Any] | None = None) -> bytes:
    """The input of a script: `$` is the body, `$record` the record where one is given.

    `body` is JSON text that has been decoded before: it goes in as it stands, without being read again.
    """
    if record is None:
        return b'{"$":%b}' % body
    return b'{"$":%b,"$record":%b}' % (body, to_json(record))


def reads_record(source: str) -> bool:
    """Whether a script may look at the record; encoding one that nobody reads is wasted on the hot path."""
    return "$record" in source
