"""Producer ids, each given once: whole blocks are noted in the journal before the first of them is given out."""

from __future__ import annotations

import msgspec

from tidemill.broker.durability import Durable
from tidemill.broker.journal import Journal

BLOCK = 1000
KEY = "next"


class ReservedIds(msgspec.Struct, frozen=True):
    """Ids below `end` may have been given out."""

    end: int


class ProducerIds:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._table = journal.table("producer_ids", str, ReservedIds)
        self._end = self._table[KEY].end if KEY in self._table else 0
        self._next = self._end
        self._durable: Durable = None

    @property
    def durable(self) -> Durable:
        """Done when what was taken last may be told. None: now."""
        return self._durable

    def take(self) -> int:
        """Raises `Refused` if the journal cannot take it."""
        is_lost = self._durable is not None and self._durable.done() and self._durable.exception() is not None
        if self._next == self._end or is_lost:
            end = self._next + BLOCK
            self._durable = self._journal.write([self._table.change(KEY, ReservedIds(end))])
            self._end = end
        self._next += 1
        return self._next - 1

    def skip(self, used: int) -> None:
        """This one is somewhere in use, whatever the journal says: a power cut may have taken the end of that."""
        if used >= self._next:
            self._next = self._end = used + 1
