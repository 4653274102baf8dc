"""What the drafts of a batch wait for: the sandbox, outputs that may be there already, and finished tasks that have to
be read. The engine asks all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from tidemill.sandbox.script import Computed
from tidemill.workflows.decider import decider
from tidemill.workflows.engine.draft import Draft, hear
from tidemill.workflows.ports import CachedOutput, FinishedTask, Unread
from tidemill.workflows.state.decision import Computation, Decision, Lookup
from tidemill.workflows.state.departed import NotRead

T = TypeVar("T")

PendingComputation = tuple[Draft, Computation]
PendingLookup = tuple[Draft, Lookup]
Answer = tuple[Draft, Computation, Computed]


class Pending:
    def __init__(self) -> None:
        self._computing: list[Draft] = []
        self._reading: list[Draft] = []
        self._looking: list[Draft] = []

    def change(self, draft: Draft, event: Callable[[Decision], T]) -> T:
        """Raises `NotRead`, and then the draft is as it was before, and waits."""
        try:
            result = draft.change(event)
        except NotRead:
            self._reading.append(draft)
            raise
        self.moved(draft)
        return result

    def moved(self, draft: Draft) -> None:
        """It has been decided on, and may ask for something now."""
        if draft.decision.computations:
            self._computing.append(draft)
        if draft.decision.lookups:
            self._looking.append(draft)

    def take_computations(self) -> list[PendingComputation]:
        drafts = _each(self._computing)
        pending = [(draft, computation) for draft in drafts for computation in draft.decision.computations]
        for draft in drafts:
            draft.decision.unanswered += len(draft.decision.computations)
            draft.decision.computations = []
        self._computing = []
        return pending

    def answer(self, answers: Sequence[Answer]) -> None:
        for draft, computation, computed in answers:
            draft.answers.append(partial(hear, computation, computed))
        for draft in _each(draft for draft, _, _ in answers):
            self._hear(draft)

    def take_lookups(self) -> list[PendingLookup]:
        drafts, self._looking = _each(self._looking), []
        pending = [(draft, lookup) for draft in drafts for lookup in draft.decision.lookups]
        for draft in drafts:
            draft.decision.lookups = []
        return pending

    def found(self, asked: Sequence[PendingLookup], outputs: Mapping[tuple[str, str], CachedOutput]) -> None:
        for draft, lookup in asked:
            found = outputs.get(lookup.key)
            draft.answers.append(partial(_tell, lookup, found))
        for draft in _each(draft for draft, _ in asked):
            self._hear(draft)

    def _hear(self, draft: Draft) -> None:
        """Each answer that there is, in order, until one needs what has not been read."""
        while draft.answers and draft.unread is None:
            with suppress(NotRead):
                self.change(draft, draft.answers[0])
                del draft.answers[0]

    def unread(self) -> Mapping[str, Unread]:
        """What executions need of their finished tasks; `read` is to follow."""
        wanted: dict[str, Unread] = {}
        for draft in self._reading:
            if draft.unread is not None:
                wanted.setdefault(draft.decision.execution.id, Unread()).add(draft.unread)
        return wanted

    def read(self, wanted: Mapping[str, Unread], found: Sequence[FinishedTask]) -> None:
        reading, self._reading = self._reading, []
        for draft in reading:
            execution_id, draft.unread = draft.decision.execution.id, None
            rows = [row for row in found if row.execution_id == execution_id]
            draft.decision.departed.learn(wanted[execution_id], rows)
            self._hear(draft)


def _tell(lookup: Lookup, found: CachedOutput | None, decision: Decision) -> None:
    decider.looked_up(decision, lookup, found)


def _each(drafts: Iterable[Draft]) -> Collection[Draft]:
    """None twice."""
    return {id(draft): draft for draft in drafts}.values()
