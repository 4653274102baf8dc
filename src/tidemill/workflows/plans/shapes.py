"""What inputs and outputs have to be like: who is asked about which value, and what the answer means.

Pure. The sandbox judges (`expressions.json_schema`); the engine asks it, for all executions of a batch at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tidemill.core.findings import Finding
from tidemill.expressions.json_schema import findings_of
from tidemill.sandbox.script import Computed

_SHOWN_MAX = 10
"""Findings in a task's reason."""


class Shape(msgspec.Struct, frozen=True):
    """A JSON Schema: the `text` itself, or where that is empty the one that is stored by `name` and `version`."""

    name: str = ""
    version: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"schema {self.name!r} version {self.version}" if self.name else "its schema"


class Check(msgspec.Struct, frozen=True):
    """The sandbox is to say whether the value is as the shape says. `side` names it in what the user reads."""

    shape: Shape
    value: Any
    side: Literal["input", "output"]


def misfits(check: Check, answer: Computed) -> Sequence[Finding]:
    """What is wrong with the value, each with its place below `input` or `output`; empty where it fits."""
    return findings_of(answer, check.side)


def problem(check: Check, findings: Sequence[Finding]) -> str:
    shown = "; ".join(str(finding) for finding in findings[:_SHOWN_MAX])
    more = len(findings) - _SHOWN_MAX
    return f"the {check.side} is not as {check.shape} says: {shown}" + (f"; and {more} more" if more > 0 else "")
