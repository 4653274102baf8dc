"""One execution of a batch: the decision about it, and the row that it becomes."""

from __future__ import annotations

import msgspec

from tidemill.workflows.decision import Decision
from tidemill.workflows.ports import ExecutionRow


class Draft(msgspec.Struct):
    """`revision` is 0 for an execution that is new; `row` is what will be written, once it has been encoded."""

    decision: Decision
    revision: int
    row: ExecutionRow | None = None

    def copy(self) -> Draft:
        return Draft(self.decision.copy(), self.revision)
