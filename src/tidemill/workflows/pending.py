"""What the drafts of a batch wait for: the sandbox, and finished tasks that have to be read. The engine asks both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from tidemill.sandbox.script import Computed
from tidemill.workflows.decision import Computation, Decision
from tidemill.workflows.departed import NotRead
from tidemill.workflows.draft import Draft, hear
from tidemill.workflows.ports import FinishedTask, Unread

T = TypeVar("T")

PendingComputation = tuple[Draft, Computation]
Answer = tuple[Draft, Computation, Computed]


class Pending:
    def __init__(self) -> None:
        self._computing: list[Draft] = []
        self._reading: list[Draft] = []

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
        """It has been decided on, and may ask for computations now."""
        if draft.decision.computations:
            self._computing.append(draft)

    def take_computations(self) -> list[PendingComputation]:
        drafts = {id(draft): draft for draft in self._computing}.values()
        pending = [(draft, computation) for draft in drafts for computation in draft.decision.computations]
        for draft in drafts:
            draft.decision.computations = []
        self._computing = []
        return pending

    def answer(self, answers: Sequence[Answer]) -> None:
        for draft, computation, computed in answers:
            draft.answers.append((computation, computed))
        for draft in {id(draft): draft for draft, _, _ in answers}.values():
            self._hear(draft)

    def _hear(self, draft: Draft) -> None:
        """Each answer that there is, in order, until one needs what has not been read."""
        while draft.answers and draft.unread is None:
            with suppress(NotRead):
                self.change(draft, partial(hear, *draft.answers[0]))
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
