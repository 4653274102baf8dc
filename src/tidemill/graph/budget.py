"""How far the messages of a batch have gone, with all that was run inside of them, and what may be too far."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tidemill.graph.allowance import Allowance
from tidemill.graph.node import Item, Kept

STEPS_MAX = 100_000
"""How often the messages of one run may be processed, all nodes and all runs inside of it together. Where a run inside
asks the sandbox or the database (a node that `asks`), that is ASK_STEPS more, and each run inside is INSIDE_STEPS, for
however many messages: rounds of a loop that are run together count once."""
INSIDE_STEPS, ASK_STEPS = 2, 40
"""By the time that they take: whatever a message does, it has taken all of its steps in a second or two."""
DEPTH_MAX = 16
"""Of runs inside of runs: sub-chains, loops."""
DEEP, DEEP_MAX = 4, 1_000
"""Deeper than the one, a run may run something inside as often as the other says. Chains that call each other twice
would do so 2**16 times, which takes a minute."""

TOO_FAR = (
    f"took more than {STEPS_MAX} steps, of which each node is one, and within a loop each question to the sandbox or"
    f" the database {ASK_STEPS}: a loop that does not end?"
)
TOO_DEEP = f"is nested more than {DEPTH_MAX} deep: a chain that calls itself?"
TOO_OFTEN = (
    f"ran others inside more than {DEEP_MAX} times, more than {DEEP} deep: chains that call themselves in several ways?"
)


class Budget:
    """Counts per run that came in from outside, from what each has spent before; `origins` says for each run here
    which that is. What parted from a run numbers on a `line` of its own."""

    __slots__ = ("_allowances", "_deep", "_lines", "_made", "_origins", "_steps", "depth")

    def __init__(self, spent: Sequence[Kept]) -> None:
        self._steps = [kept.steps for kept in spent]
        self._made = [kept.made for kept in spent]
        self._deep = [kept.deep for kept in spent]
        self._lines = [kept.line for kept in spent]
        self._origins: Sequence[int] = range(len(spent))
        self._allowances: Sequence[Allowance | None] = ()
        self.depth = 0

    def inner(self, runs: Sequence[int], allowances: Sequence[Allowance] = ()) -> Budget:
        """For runs inside of these, which have as long as these, or the `allowances`."""
        inner = Budget.__new__(Budget)
        inner._steps, inner._made, inner._deep, inner._lines = self._steps, self._made, self._deep, self._lines
        inner._origins = [self._origins[run] for run in runs]
        inner._allowances = allowances or (self._allowances and [self._allowances[run] for run in runs])
        inner.depth = self.depth + 1
        return inner

    def allowances(self, items: Sequence[Item]) -> Mapping[int, Allowance]:
        """By the items' places; of most there is none."""
        if not self._allowances:
            return {}
        found = enumerate(self._allowances[item.run] for item in items)
        return {place: allowance for place, allowance in found if allowance is not None}

    def is_spent(self, run: int) -> bool:
        return self._steps[self._origins[run]] >= STEPS_MAX

    def step(self, items: Sequence[Item], *, asks: bool = False) -> Collection[int]:
        """Counts one for each; the places of those for which it was one too many."""
        steps, origins = self._steps, self._origins
        if asks and self.depth:
            for origin in {origins[item.run] for item in items}:
                steps[origin] += ASK_STEPS
        spent: set[int] = set()
        for place, item in enumerate(items):
            origin = origins[item.run]
            if steps[origin] >= STEPS_MAX:
                spent.add(place)
            else:
                steps[origin] += 1
        return spent

    def refused(self, runs: Sequence[int]) -> frozenset[int]:
        """Counts that these run something inside, all at once; returns those that may not."""
        for origin in {self._origins[run] for run in runs}:
            self._steps[origin] += INSIDE_STEPS
        if self.depth < DEEP:
            return frozenset()
        over = set()
        for origin in {self._origins[run] for run in runs}:
            if self._deep[origin] >= DEEP_MAX:
                over.add(origin)
            self._deep[origin] += 1
        return frozenset(run for run in runs if self._origins[run] in over)

    def number(self, run: int) -> str:
        """One that the run has not had yet."""
        origin = self._origins[run]
        self._made[origin] += 1
        return f"{self._lines[origin]}{self._made[origin]}"

    def spent(self, run: int) -> Kept:
        """To go on from, when the run is taken up again."""
        origin = self._origins[run]
        return Kept(
            steps=self._steps[origin], made=self._made[origin], deep=self._deep[origin], line=self._lines[origin]
        )
