"""The functions of expr-lang that take values only. What takes a predicate is in `loops.py`.

Each is called with the frame first: it pays there for what it reads and makes. There is none that reads a file, the
network or the process.
"""

from __future__ import annotations

from tidemill.expressions.exprlang.functions import conversions, dates, lists, maps, numbers, texts
from tidemill.expressions.exprlang.functions.shape import Function

FUNCTIONS: dict[str, Function] = {
    **texts.FUNCTIONS,
    **numbers.FUNCTIONS,
    **lists.FUNCTIONS,
    **maps.FUNCTIONS,
    **conversions.FUNCTIONS,
    **dates.FUNCTIONS,
}

REFUSED = {"include": "it would read files", "fileExists": "it would look at files"}
"""What RuleGo has and we will not."""
