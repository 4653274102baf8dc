"""The offsets that groups have committed, and those that wait for the end of a transaction; kept in the journal.

Must not know who is a member: whether somebody may commit is asked before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from tidemill.broker.durability import Durable
from tidemill.broker.journal import Change, Journal

Place = tuple[str, int]
"""Topic and partition."""
Key = tuple[str, str, int]
"""Group, topic, partition."""
K = TypeVar("K")


class Committed(msgspec.Struct, frozen=True, gc=False):
    """An offset as the journal keeps it."""

    offset: int
    leader_epoch: int
    metadata: str
    committed_ms: int
    number: int
    """Counts all commits of this broker: which of two is the later one."""
    expires_ms: int | None = None
    """Only if the client asked for a time of its own (OffsetCommit before version 5)."""


NOTHING: Mapping[str, Mapping[int, Committed]] = {}


class GroupOffsets:
    """Satisfies `TransactionalOffsets`. What changes anything raises `Refused` if the journal cannot take it, and then
    nothing has changed; where it gives a future, the change is durable when that is done."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._table = journal.table("group_offset", tuple[str, str, int], Committed)
        self._waiting_table = journal.table("group_offset_waiting", tuple[int, str, str, int], Committed)
        self._of_group: dict[str, dict[str, dict[int, Committed]]] = {}
        self._of_producer: dict[int, dict[Key, Committed]] = {}
        self._waiting: Counter[Key] = Counter()  # how many transactions are about to change it
        self._waiting_groups: Counter[str] = Counter()
        for (group, topic, partition), committed in self._table.items():
            self._keep((group, topic, partition), committed)
        for (producer_id, group, topic, partition), committed in self._waiting_table.items():
            self._keep_waiting(producer_id, (group, topic, partition), committed)
        both = (*self._table.values(), *self._waiting_table.values())
        self._number = max((committed.number for committed in both), default=0)

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def groups(self) -> Iterator[str]:
        """Those with offsets, committed or waiting."""
        yield from self._of_group.keys() | self._waiting_groups.keys()

    def has_any(self, group: str) -> bool:
        return group in self._of_group or group in self._waiting_groups

    def of_group(self, group: str) -> Mapping[str, Mapping[int, Committed]]:
        """By topic and partition."""
        return self._of_group.get(group, NOTHING)

    def get(self, group: str, topic: str, partition: int) -> Committed | None:
        return self._of_group.get(group, NOTHING).get(topic, {}).get(partition)

    def is_unstable(self, group: str, topic: str, partition: int) -> bool:
        """A transaction that is still open has committed another one."""
        return (group, topic, partition) in self._waiting

    def commit(self, group: str, offsets: Mapping[Place, Committed]) -> Durable:
        changes = [self._table.change((group, *place), committed) for place, committed in offsets.items()]
        durable = self._journal.write(changes)
        for place, committed in offsets.items():
            self._keep((group, *place), committed)
        return durable

    def commit_later(self, producer_id: int, group: str, offsets: Mapping[Place, Committed]) -> Durable:
        """With the producer's transaction."""
        durable = self._journal.write(
            [self._waiting_table.change((producer_id, group, *place), one) for place, one in offsets.items()]
        )
        for place, committed in offsets.items():
            self._keep_waiting(producer_id, (group, *place), committed)
        return durable

    def end_transaction(self, producer_id: int, *, committed: bool) -> None:
        ended = self._of_producer.get(producer_id)
        if ended is None:
            return
        # An offset that was committed otherwise since then is the later one, and stays.
        now_valid = {key: one for key, one in ended.items() if self._number_of(key) < one.number} if committed else {}
        changes = [self._table.change(key, one) for key, one in now_valid.items()]
        changes += [self._waiting_table.change((producer_id, *key), None) for key in ended]
        _ = self._journal.write(changes)
        for key, one in now_valid.items():
            self._keep(key, one)
        for key in list(ended):
            self._drop_waiting(producer_id, key)

    def delete(self, group: str, places: Iterable[Place]) -> Durable:
        """What is committed; what waits still waits."""
        keys = [(group, *place) for place in places if self.get(group, *place) is not None]
        return self._delete(keys, [])

    def delete_group(self, group: str, more: list[Change]) -> Durable:
        """All that it has, together with `more` changes."""
        keys = [(group, topic, number) for topic, numbers in self.of_group(group).items() for number in numbers]
        return self._delete(keys, self._waiting_where(lambda key: key[0] == group), more)

    def delete_topics(self, is_gone: Callable[[str], bool]) -> None:
        """Of all groups."""
        keys = [
            (group, topic, partition)
            for group, topics in self._of_group.items()
            for topic, partitions in topics.items()
            if is_gone(topic)
            for partition in partitions
        ]
        _ = self._delete(keys, self._waiting_where(lambda key: is_gone(key[1])))

    def _delete(self, keys: list[Key], waiting: list[tuple[int, Key]], more: list[Change] | None = None) -> Durable:
        changes = [self._table.change(key, None) for key in keys]
        changes += [self._waiting_table.change((producer_id, *key), None) for producer_id, key in waiting]
        changes += more or []
        if not changes:
            return None
        durable = self._journal.write(changes)
        for key in keys:
            self._drop(key)
        for producer_id, key in waiting:
            self._drop_waiting(producer_id, key)
        return durable

    def _waiting_where(self, holds: Callable[[Key], bool]) -> list[tuple[int, Key]]:
        return [(producer_id, key) for producer_id, keys in self._of_producer.items() for key in keys if holds(key)]

    def _number_of(self, key: Key) -> int:
        known = self.get(*key)
        return known.number if known is not None else 0

    def _keep(self, key: Key, committed: Committed) -> None:
        group, topic, partition = key
        self._of_group.setdefault(group, {}).setdefault(topic, {})[partition] = committed

    def _drop(self, key: Key) -> None:
        group, topic, partition = key
        topics = self._of_group[group]
        del topics[topic][partition]
        if not topics[topic]:
            del topics[topic]
        if not topics:
            del self._of_group[group]

    def _keep_waiting(self, producer_id: int, key: Key, committed: Committed) -> None:
        keys = self._of_producer.setdefault(producer_id, {})
        if key not in keys:
            self._waiting[key] += 1
            self._waiting_groups[key[0]] += 1
        keys[key] = committed

    def _drop_waiting(self, producer_id: int, key: Key) -> None:
        keys = self._of_producer[producer_id]
        del keys[key]
        if not keys:
            del self._of_producer[producer_id]
        _decrease(self._waiting, key)
        _decrease(self._waiting_groups, key[0])


def _decrease(counts: Counter[K], key: K) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
