"""What is wrong with a definition: every mistake at once, each with its place. Knows no format."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake. `path` is where in the document (`actions[0].start_workflow.name`), `line` and `column`
    count from 1 inside the text at that path (a script), `kind` is stable for programs."""

    path: str
    message: str
    kind: str = "invalid"
    level: Level = "error"
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        at = f" (line {self.line}, column {self.column})" if self.line is not None else ""
        return f"{self.path}: {self.message}{at}" if self.path else f"{self.message}{at}"

    def as_json(self) -> dict[str, Any]:
        fields = ("path", "message", "kind", "level", "line", "column")
        return {name: getattr(self, name) for name in fields if getattr(self, name) is not None}


def near(name: str, known: Iterable[str]) -> str:
    """The tail of a message about an unknown name: a suggestion where one is near, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def errors(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == "error"]
