"""One execution of a batch: the decision about it, what it waits for, and the rows that it becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from tidemill.sandbox.script import Computed
from tidemill.workflows.decider import decider
from tidemill.workflows.flow.flow import end
from tidemill.workflows.ports import ExecutionRow, FinishedTask, Unread
from tidemill.workflows.state.decision import Computation, Decision
from tidemill.workflows.state.departed import LARGE_BYTES, NotRead, depart, finished_row
from tidemill.workflows.state.rows import DOCUMENT_BYTES_MAX, row_of, shed
from tidemill.workflows.state.scope import Scope

T = TypeVar("T")


class Draft(msgspec.Struct):
    """The decision about one execution. `revision` is 0 for one that is new; `row` is what will be
    written, once it has been encoded, and `finished` the tasks that leave it."""

    decision: Decision
    revision: int
    row: ExecutionRow | None = None
    finished: dict[int, FinishedTask] = {}
    unread: Unread | None = None
    """What it waits for, to decide on its next event."""
    answers: list[Callable[[Decision], None]] = []
    """The sandbox's and the cache's, that are still to be heard."""

    @property
    def is_waiting(self) -> bool:
        decision = self.decision
        return bool(decision.computations or decision.lookups or self.unread is not None or self.answers)

    def copy(self) -> Draft:
        return Draft(self.decision.copy(), self.revision)

    def encode(self) -> None:
        """Makes the rows. An execution that is too large fails, and may then ask for its failure workflow."""
        _depart(self)
        self.row = _row(self)

    def change(self, event: Callable[[Decision], T]) -> T:
        """Raises `NotRead`, and then the decision is as it was before, and waits."""
        if not self.decision.execution.tasks_left:
            return event(self.decision)
        before = self.decision.remember()
        try:
            return event(self.decision)
        except NotRead as missing:
            self.decision, self.unread = before(), missing.wanted
            raise


def hear(computation: Computation, answer: Computed, decision: Decision) -> None:
    """The sandbox has answered."""
    decision.unanswered -= 1
    decider.computed(decision, computation, answer)


def _depart(draft: Draft, *, is_large: bool = False) -> None:
    """Finished tasks leave the document where there are many of them; those that left earlier may have changed."""
    decision = draft.decision
    execution = decision.execution
    rows = [finished_row(execution.id, task) for task in depart(execution, is_large=is_large)]
    if rows:
        decision.scope = Scope(execution, decision.plan, decision.departed)
        decision.departed.learn(Unread(seqs={row.seq for row in rows}), rows)
    for row in (*rows, *decision.departed.changed(execution.id)):
        draft.finished[row.seq] = row


def _row(draft: Draft) -> ExecutionRow:
    decision = draft.decision
    execution = decision.execution
    # Search finds what has changed by its end, where it has one.
    execution.updated_ms = execution.ended_ms or decision.now_ms
    row = row_of(execution, draft.revision)
    if len(row.document) > LARGE_BYTES:
        _depart(draft, is_large=True)
        row = row_of(execution, draft.revision)
    if len(row.document) <= DOCUMENT_BYTES_MAX:
        return row
    reason = f"the execution would take {len(row.document):,} bytes; {DOCUMENT_BYTES_MAX:,} is the limit"
    shed(execution)
    decision.scope.clear()
    # Nothing is read any more: what is told of the tasks that end now does without those that have left.
    decision.departed.learn(Unread(is_newest=True), ())
    end(decision, "FAILED", reason, output=execution.output or {})
    return row_of(execution, draft.revision)
