"""Random histories of producers, transactions, deletions and restarts, against a plain model of what a log is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.forgetful_disk import ForgetfulDisk
from tests.unit.broker.log.rig import Rig, batch, consume
from tidemill.broker.errors import Refused
from tidemill.broker.settings import Fsync
from tidemill.core.clock import HeldClock

FOLDER = Path("logs")
SETTINGS = {"segment.bytes": "600", "retention.ms": "-1", "retention.bytes": "2000"}
PRODUCERS = 3


@dataclass
class Writer:
    epoch: int = 0
    batches: list[tuple[int, int, int]] = field(default_factory=list)  # sequence, count, offset; of this epoch
    open_from: int | None = None

    @property
    def next_sequence(self) -> int:
        return sum(self.batches[-1][:2]) if self.batches else 0


@dataclass
class Model:
    """`entries`: offset → value, None for a marker. `aborted`: offsets of records that nobody should see."""

    entries: list[bytes | None] = field(default_factory=list)
    inside: dict[int, set[int]] = field(default_factory=dict)
    aborted: set[int] = field(default_factory=set)
    writers: list[Writer] = field(default_factory=lambda: [Writer() for _ in range(PRODUCERS)])
    start: int = 0

    @property
    def stable(self) -> int:
        opened = [writer.open_from for writer in self.writers if writer.open_from is not None]
        return max(min([*opened, len(self.entries)]), self.start)

    def seen(self, *, committed_only: bool) -> list[tuple[int, bytes]]:
        end = self.stable if committed_only else len(self.entries)
        hidden = self.aborted if committed_only else set()
        return [
            (at, value)
            for at, value in enumerate(self.entries[:end])
            if value is not None and at >= self.start and at not in hidden
        ]


class Play:
    """Does the same to the log and to the model."""

    def __init__(self) -> None:
        self.model = Model()
        self.disk = ForgetfulDisk()
        self.clock = HeldClock()
        self.rig = self.opened()

    def opened(self) -> Rig:
        return Rig(FOLDER, self.disk, Fsync.NEVER, self.clock, SETTINGS)

    def plain(self, who: int, count: int) -> None:
        values = self.values(count)
        assert self.rig.log.append(batch(*values)).base_offset == len(self.model.entries)
        self.model.entries += values

    def write(self, who: int, count: int) -> None:
        """In sequence; inside of a transaction for all producers but the first."""
        writer, in_txn = self.model.writers[who], who > 0
        values, base = self.values(count), len(self.model.entries)
        sent = batch(*values, producer=(who, writer.epoch), sequence=writer.next_sequence, is_transactional=in_txn)
        assert self.rig.log.append(sent).base_offset == base
        writer.batches.append((writer.next_sequence, count, base))
        self.model.entries += values
        if in_txn:
            writer.open_from = base if writer.open_from is None else writer.open_from
            self.model.inside.setdefault(who, set()).update(range(base, base + count))

    def repeat(self, who: int, count: int) -> None:
        writer = self.model.writers[who]
        for sequence, size, offset in writer.batches[-count:]:
            values = [b"again"] * size
            sent = batch(*values, producer=(who, writer.epoch), sequence=sequence, is_transactional=who > 0)
            assert self.rig.log.append(sent).base_offset == offset

    def skip(self, who: int, count: int) -> None:
        writer = self.model.writers[who]
        if writer.batches:
            self.refused(who, writer.epoch, writer.next_sequence + count)

    def end(self, who: int, count: int) -> None:
        """Commits or aborts, or fences and aborts, as a timeout does."""
        writer = self.model.writers[who]
        is_committed, is_fenced = count % 2 == 0, count == 3
        was_open = writer.open_from is not None
        epoch = writer.epoch + is_fenced
        for _ in range(count):
            _ = self.rig.log.append_marker(who, epoch, committed=is_committed, coordinator_epoch=0)
        if was_open:
            self.model.entries.append(None)
        if is_fenced:
            writer.epoch, writer.batches = epoch, []
            self.refused(who, epoch - 1, 0)
        inside = self.model.inside.pop(who, set())
        if not is_committed:
            self.model.aborted |= inside
        writer.open_from = None

    def delete(self, who: int, count: int) -> None:
        before = min(self.model.start + 2 * count, len(self.model.entries))
        assert asyncio.run(self.rig.log.delete_records(before)) == before
        self.model.start = before

    def tidy(self, who: int, count: int) -> None:
        self.clock.advance(70)
        asyncio.run(self.rig.files.tidy())
        start = self.rig.log.log_start_offset
        assert start >= self.model.start
        assert self.rig.log.size_bytes < 2_000 + 600
        self.model.start = start

    def stop(self, who: int, count: int) -> None:
        asyncio.run(self.rig.close())
        self.rig = self.opened()
        assert self.rig.files.batches_scanned == 0

    def kill(self, who: int, count: int) -> None:
        self.rig.kill()
        if count == 4:
            self.disk.remove(self.rig.folder / "checkpoint")
        self.rig = self.opened()
        if count == 4:
            self.forget_what_was_deleted()
        self.forget_what_was_in_memory()

    def forget_what_was_in_memory(self) -> None:
        """A marker that was not needed has left no trace, and batches that were deleted have left none either."""
        known = {each.producer_id: each for each in self.rig.log.active_producers()}
        for who, writer in enumerate(self.model.writers):
            found = known.get(who)
            if found is None or found.producer_epoch < writer.epoch:
                writer.batches = []
                _ = self.rig.log.append_marker(who, writer.epoch, committed=False, coordinator_epoch=0)

    def forget_what_was_deleted(self) -> None:
        """Without the checkpoint only the segments say what there was."""
        first = self.rig.log.contents.segments[0].base_offset
        for who, writer in enumerate(self.model.writers):
            writer.batches = [each for each in writer.batches if each[2] >= first]
            inside = {at for at in self.model.inside.pop(who, set()) if at >= first}
            writer.open_from = min(inside, default=None)
            if inside:
                self.model.inside[who] = inside

    def refused(self, who: int, epoch: int, sequence: int) -> None:
        try:
            self.rig.log.append(batch(b"no", producer=(who, epoch), sequence=sequence, is_transactional=who > 0))
        except Refused:
            return
        raise AssertionError("taken")

    def check(self) -> None:
        log, model = self.rig.log, self.model
        assert (log.log_end_offset, log.log_start_offset) == (len(model.entries), model.start)
        assert log.last_stable_offset == model.stable
        for committed_only in (False, True):
            found = [(at, value) for at, _, value in consume(log, committed_only=committed_only, bytes_max=300)]
            assert found == model.seen(committed_only=committed_only)

    def values(self, count: int) -> list[bytes]:
        return [b"%d" % (len(self.model.entries) + number) for number in range(count)]


DEEDS = ["plain", "write", "write", "write", "repeat", "skip", "end", "end", "delete", "tidy", "stop", "kill"]
HISTORY = st.lists(
    st.tuples(st.sampled_from(DEEDS), st.integers(0, PRODUCERS - 1), st.integers(1, 4)), min_size=5, max_size=60
)


@settings(max_examples=150, deadline=None)
@given(HISTORY)
def test_any_history(history: list[tuple[str, int, int]]) -> None:
    play = Play()
    for deed, who, count in history:
        getattr(play, deed)(who, count)
        play.check()
    play.kill(0, 1)
    play.check()
    play.rig.kill()
