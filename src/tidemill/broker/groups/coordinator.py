"""All groups of the broker: finds and makes them, keeps of each what must survive, lets time pass for them.

Answers no requests: `membership.py`, `commits.py`, `fetching.py` and `admin.py` do.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator
from contextlib import suppress

import msgspec
import structlog

from tidemill.broker.durability import Durable
from tidemill.broker.errors import Refused
from tidemill.broker.groups.group import Group
from tidemill.broker.groups.offsets import GroupOffsets
from tidemill.broker.journal import Journal
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.settings import BrokerSettings
from tidemill.broker.topics.topics import Topics
from tidemill.core.clock import Clock

log = structlog.get_logger(__name__)

SWEEP_INTERVAL_S = 600.0
GROUP_ID_LENGTH_MAX = 32_767
"""Which is all that the older versions of the requests can say."""


class GroupRecord(msgspec.Struct, frozen=True):
    """A group as the journal keeps it. Members live in memory: after a restart clients join again."""

    protocol_type: str
    empty_since_ms: int | None
    """None while it has members."""


class Groups:
    """`changed` after everything that was done to a group."""

    def __init__(
        self, settings: BrokerSettings, journal: Journal, offsets: GroupOffsets, clock: Clock, topics: Topics
    ) -> None:
        self.offsets = offsets
        self.settings = settings
        self._clock = clock
        self._records = journal.table("group", str, GroupRecord)
        self._groups: dict[str, Group] = {}
        self._moments: list[tuple[int, str]] = []
        self._planned: dict[str, int] = {}
        self._wake = asyncio.Event()
        # A deletion that was broken off, or found the disk full.
        offsets.delete_topics(lambda topic: topic not in topics)
        topics.on_deleted.append(self.topic_deleted)
        for name in {*self._records, *offsets.groups()}:
            record = self._records.get(name)
            self._groups[name] = Group(name, settings, record.protocol_type if record is not None else "")
            # Whoever was a member is not any more: its group's offsets are kept from now on.
            self._remember(self._groups[name])

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups.values())

    def get(self, group_id: str) -> Group | None:
        return self._groups.get(group_id)

    def known(self, group_id: str, otherwise: ErrorCode) -> Group:
        """Raises `Refused` with the code `otherwise` if there is no such group."""
        group = self._groups.get(group_id)
        if group is None:
            raise Refused(otherwise)
        return group

    def mentioned(self, group_id: str) -> Group:
        """The group, made if it is new. Raises `Refused`."""
        group = self._groups.get(group_id)
        if group is None:
            if len(group_id) > GROUP_ID_LENGTH_MAX:
                raise Refused(ErrorCode.INVALID_GROUP_ID)
            limit = self.settings.groups_max
            if len(self._groups) >= limit:
                self.sweep()
            if len(self._groups) >= limit:
                raise Refused(ErrorCode.POLICY_VIOLATION, f"This broker holds {limit} groups at most.")
            group = self._groups[group_id] = Group(group_id, self.settings)
        return group

    def now_ms(self) -> int:
        """For sessions and rebalances: a clock that never goes back."""
        return round(self._clock.monotonic_s() * 1000)

    def changed(self, group: Group) -> None:
        self._remember(group)
        planned = self._planned.get(group.id)
        if group.wake_ms is not None and (planned is None or group.wake_ms < planned):
            self._planned[group.id] = group.wake_ms
            heapq.heappush(self._moments, (group.wake_ms, group.id))
            if self._moments[0] == (group.wake_ms, group.id):
                self._wake.set()

    def delete(self, group: Group) -> Durable:
        """With all its offsets. Raises `Refused`."""
        more = [self._records.change(group.id, None)] if group.id in self._records else []
        durable = self.offsets.delete_group(group.id, more)
        del self._groups[group.id]
        _ = self._planned.pop(group.id, None)
        return durable

    async def run(self) -> None:
        """Lets time pass for all groups. Until cancelled."""
        while True:
            self._wake.clear()
            self.expire()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._idle_s()):
                    await self._wake.wait()

    def expire(self) -> None:
        """Everything that is due by now."""
        now_ms = self.now_ms()
        while self._moments and self._moments[0][0] <= now_ms:
            moment_ms, group_id = heapq.heappop(self._moments)
            if self._planned.get(group_id) != moment_ms:
                continue  # planned anew since
            del self._planned[group_id]
            group = self._groups[group_id]
            group.expire(now_ms)
            self.changed(group)

    async def run_sweeps(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(SWEEP_INTERVAL_S)
            self.sweep()

    def sweep(self) -> None:
        """Forgets old offsets of groups without members, and groups that have nothing left."""
        now_ms = self._clock.now_ms()
        for group in [group for group in self._groups.values() if group.is_vacant]:
            try:
                self._forget_old_offsets(group, now_ms)
                if not self.offsets.has_any(group.id):
                    _ = self.delete(group)
            except Refused as refusal:
                log.warning("old group offsets cannot be forgotten yet", group=group.id, reason=refusal.message)
                return

    def topic_deleted(self, name: str) -> None:
        """What is committed for it goes with it."""
        try:
            self.offsets.delete_topics(lambda topic: topic == name)
        except Refused as refusal:
            log.warning("offsets of a deleted topic are still there", topic=name, reason=refusal.message)

    def _forget_old_offsets(self, group: Group, now_ms: int) -> None:
        retention_ms = self.settings.offsets_retention_minutes * 60_000
        record = self._records.get(group.id)
        empty_since_ms = record.empty_since_ms or 0 if record is not None else 0
        old = [
            (topic, partition)
            for topic, partitions in self.offsets.of_group(group.id).items()
            for partition, one in partitions.items()
            if now_ms >= (one.expires_ms or max(one.committed_ms, empty_since_ms) + retention_ms)
            and not self.offsets.is_unstable(group.id, topic, partition)
        ]
        if old:
            _ = self.offsets.delete(group.id, old)
            log.info("group offsets expired", group=group.id, offsets=len(old))

    def _remember(self, group: Group) -> None:
        """Only when the first member came or the last one went."""
        record = self._records.get(group.id)
        was_empty = record is None or record.empty_since_ms is not None
        is_empty = len(group.roster) == 0
        if was_empty == is_empty and (record is None or record.protocol_type == group.protocol_type):
            return
        try:
            self._records.put(group.id, GroupRecord(group.protocol_type, self._clock.now_ms() if is_empty else None))
        except Refused as refusal:
            # All that hangs on it is from when on offsets grow old.
            log.warning("group state cannot be kept", group=group.id, reason=refusal.message)

    def _idle_s(self) -> float | None:
        return max(0.0, self._moments[0][0] / 1000 - self._clock.monotonic_s()) if self._moments else None
