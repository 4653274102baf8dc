"""Executions that run, as this process wrote them last: each step of one would read what the step before has written.

On SQLite only, where no other process writes. What is to be written is forgotten first, and remembered once it is
committed: a transaction that fails, for whatever reason, leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from tidemill.storage.remembered import Remembered
from tidemill.storage.session import Session
from tidemill.storage.text import storable
from tidemill.workflows.ports import Changes, ExecutionRow


class RunningRows:
    """`rows` are the database's, by id; None where others write them too."""

    def __init__(self, rows: Remembered[ExecutionRow] | None) -> None:
        self._rows = rows

    def of(self, ids: Iterable[str]) -> dict[str, ExecutionRow]:
        """Those that are known."""
        if self._rows is None:
            return {}
        rows = {id_: row for id_ in ids if (row := self._rows.get(id_)) is not None}
        return {id_: msgspec.structs.replace(row, revision=row.revision + 1) for id_, row in rows.items()}

    def write(self, session: Session, changes: Changes) -> Collection[str]:
        """What the transaction is about to write. Returns those of the updates that change neither status nor end:
        if not, somebody else has written them, and the revision is not what they say."""
        if self._rows is None or not (changes.inserts or changes.updates):
            return ()
        unchanged = {row.id for row in changes.updates if _is_step(self._rows.get(row.id), row)}
        written = [*changes.inserts, *changes.updates]
        self.forget(row.id for row in written)
        session.once_committed(lambda: self._remember(written))
        return unchanged

    def forget(self, ids: Iterable[str]) -> None:
        if self._rows is not None:
            for id_ in ids:
                self._rows.drop(id_)

    def _remember(self, written: Sequence[ExecutionRow]) -> None:
        assert self._rows is not None
        for row in written:
            text = row.correlation_id
            if not row.ended_ms and (text is None or storable(text) == text):
                self._rows.put(row.id, row, len(row.document))


def _is_step(before: ExecutionRow | None, row: ExecutionRow) -> bool:
    """`before` is what the database has, if the row was made from it."""
    if before is None or before.revision + 1 != row.revision:
        return False
    return before.status == row.status and before.ended_ms == row.ended_ms
