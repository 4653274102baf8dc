"""How much an expression may be and use, so that none can hang the process that it runs in, or eat its memory.

A step is about what one operator costs. Loops pay for every pass and every operator in it, functions for what they
read and make: an item or `TEXT_PER_STEP` characters are a step. Without a loop the length of the text is the bound.
"""

from __future__ import annotations

from typing import Any

from tidemill.expressions.exprlang.errors import EvaluationError, Misuse

LENGTH_MAX = 20_000
"""Characters of an expression's text."""
NESTING_MAX = 50
"""Brackets within brackets."""
DEPTH_MAX = 100
"""Operators that wait for each other: each is a call of Python's or two, and those are bounded."""
STEPS_MAX = 1_000_000
"""Of one evaluation: some 100 to 300 ms at worst."""
TEXT_MAX = 1_000_000
"""Characters of a text that an expression makes."""
TEXT_PER_STEP = 16
PATTERN_MAX = 1_000
"""Characters of a regular expression."""
PATTERN_MEMORY_BYTES = 1 << 20
WHOLE_MIN = -(1 << 63)
WHOLE_MAX = (1 << 63) - 1
VALUE_DEPTH_MAX = 200
"""Lists and maps within each other that functions go into."""


class Frame:
    """What one evaluation has: the steps left, and the values of its variables (`let`, `#`)."""

    __slots__ = ("left", "slots")

    def __init__(self, slots: int = 0) -> None:
        self.left = STEPS_MAX
        self.slots: list[Any] = [None] * slots

    def charge(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise EvaluationError(f"the expression needs more than {STEPS_MAX:,} steps")

    def charge_text(self, length: int) -> None:
        """Before a text of that length is made."""
        if length > TEXT_MAX:
            raise Misuse(f"a text of {length:,} characters; an expression may make {TEXT_MAX:,}")
        self.charge(length // TEXT_PER_STEP + 1)
