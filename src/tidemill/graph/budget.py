"""How far the messages of a batch have gone, with all that was run inside of them, and what may be too far."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tidemill.graph.node import Item

STEPS_MAX = 100_000
"""How often the messages of one run may be processed, all nodes and all runs inside of it together."""
DEPTH_MAX = 16
"""Of runs inside of runs: sub-chains, loops."""

TOO_FAR = f"went through more than {STEPS_MAX} nodes: a loop that does not end?"
TOO_DEEP = f"is nested more than {DEPTH_MAX} deep: a chain that calls itself?"


class Budget:
    """Counts per run that came in from outside; `origins` says for each run here which that is."""

    __slots__ = ("_made", "_origins", "_steps", "depth")

    def __init__(self, steps: list[int], made: list[int], origins: Sequence[int], depth: int = 0) -> None:
        self._steps = steps
        self._made = made
        self._origins = origins
        self.depth = depth

    def inner(self, runs: Sequence[int]) -> Budget:
        """For runs inside of these."""
        return Budget(self._steps, self._made, [self._origins[run] for run in runs], self.depth + 1)

    def is_spent(self, run: int) -> bool:
        return self._steps[self._origins[run]] >= STEPS_MAX

    def step(self, items: Sequence[Item]) -> Collection[int]:
        """Counts one for each; the places of those for which it was one too many."""
        steps, origins = self._steps, self._origins
        spent: set[int] = set()
        for place, item in enumerate(items):
            origin = origins[item.run]
            if steps[origin] >= STEPS_MAX:
                spent.add(place)
            else:
                steps[origin] += 1
        return spent

    def number(self, run: int) -> int:
        """One that the run has not had yet."""
        origin = self._origins[run]
        self._made[origin] += 1
        return self._made[origin]

    def spent(self, run: int) -> tuple[int, int]:
        """To go on from, when the run is taken up again: steps and numbers."""
        origin = self._origins[run]
        return self._steps[origin], self._made[origin]
