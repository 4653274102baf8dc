"""Patterns as ThingsBoard's nodes have them: `${metadataKey}` and `$[data.key]` inside of a text.

What is not there stays as it is written. A value is never read as a pattern again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tidemill.core.codec import to_json

_PART = re.compile(r"\$\{(?P<key>[^}]*)\}|\$\[(?P<path>[^\]]*)\]")

Values = Callable[[], Any]


class Pattern:
    """`is_constant`: it says the same for every message. `of_data`: it looks into the data."""

    __slots__ = ("_pieces", "is_constant", "of_data", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._pieces: list[tuple[str, str, tuple[str, ...] | None]] = []
        end = 0
        for found in _PART.finditer(source):
            path = None if found["path"] is None else tuple(found["path"].split("."))
            self._pieces.append((source[end : found.start()], found.group(), path))
            end = found.end()
        self._pieces.append((source[end:], "", None))
        self.is_constant = len(self._pieces) == 1
        self.of_data = any(path is not None for _, _, path in self._pieces)

    def render(self, metadata: Mapping[str, str], data: Values) -> str:
        """`data` gives the message's value; it is asked only where the pattern looks into it."""
        if self.is_constant:
            return self.source
        value = data() if self.of_data else None
        rendered = ""
        for text, written, path in self._pieces:
            if path is not None:
                rendered += text + _looked_up(value, path, written)
            else:
                rendered += text + metadata.get(written[2:-1], written)
        return rendered

    def __repr__(self) -> str:
        return f"Pattern({self.source!r})"


def _looked_up(value: Any, path: tuple[str, ...], written: str) -> str:
    """Objects and lists are no texts; they count as not there."""
    for key in path:
        if not isinstance(value, Mapping) or not key or key not in value:
            return written
        value = value[key]
    if isinstance(value, Mapping | list):
        return written
    return value if isinstance(value, str) else to_json(value).decode()
