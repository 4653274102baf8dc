"""What the broker must remember besides records: topics, group offsets, transactions, producer ids. Tables of small
values in memory, each change appended to one file before it counts; the file is written anew when it has grown.

Must not know what the tables hold. Records of topics never come here.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import Any, Generic, TypeVar

import msgspec
import structlog
from crc32c import crc32c

from tidemill.broker.disk import Disk, File
from tidemill.broker.durability import Durable
from tidemill.broker.errors import Refused
from tidemill.broker.flusher import Flusher
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.core.blocking import BlockingThread

log = structlog.get_logger(__name__)

Key = str | int | tuple[str | int, ...]
K = TypeVar("K", bound=Key)
V = TypeVar("V", bound=msgspec.Struct)

FRAME = Struct(">II")  # length and CRC-32C of what follows: a list of changes that count together or not at all
GROWTH_BYTES_MIN = 4 * 1024 * 1024
GROWTH_FACTOR = 3
SNAPSHOT_CHANGES = 1000  # per frame
encode = msgspec.msgpack.Encoder().encode
decode_changes = msgspec.msgpack.Decoder(list[tuple[str, Any, msgspec.Raw]]).decode
NOTHING = encode(None)


class Change(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`value` None deletes."""

    table: str
    key: Key
    value: msgspec.Struct | None


class Table(Mapping[K, V], Generic[K, V]):
    """The values of one kind. Read it like a dict; change it with `put` and `delete`, or by `Journal.write`."""

    def __init__(self, name: str, values: dict[K, V], journal: Journal) -> None:
        self._name = name
        self._values = values
        self._journal = journal

    def __getitem__(self, key: K) -> V:
        return self._values[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K, default: Any = None) -> Any:
        return self._values.get(key, default)

    def put(self, key: K, value: V) -> Durable:
        return self._journal.write([self.change(key, value)])

    def delete(self, key: K) -> Durable:
        return self._journal.write([self.change(key, None)])

    def change(self, key: K, value: V | None) -> Change:
        """For several changes, also of several tables, that must count together."""
        return Change(self._name, key, value)


class Journal:
    """Files `<number>.journal` are changes in order; `<number>.snapshot` is the sum of all up to that number."""

    def __init__(self, folder: Path, disk: Disk, flusher: Flusher) -> None:
        self._folder = folder
        self._disk = disk
        self._flusher = flusher
        self._thread = BlockingThread("broker-journal")
        self._raw: dict[str, dict[Any, msgspec.Raw]] = {}
        self._tables: dict[str, dict[Any, Any]] = {}
        self._snapshot_bytes = 0
        self._rotation: asyncio.Task[None] | None = None
        self._round: Durable = None
        self._refusal: Refused | None = None  # what every write is answered from now on
        disk.make_folder(folder)
        self._number = 1
        self._file: File = self._recover()

    def table(self, name: str, key_type: type[K], value_type: type[V]) -> Table[K, V]:
        """Once per name, at the start. What was remembered is in it."""
        read = msgspec.msgpack.Decoder(value_type).decode
        values = {_key(key): read(raw) for key, raw in self._raw.pop(name, {}).items()}
        self._tables[name] = values
        return Table(name, values, self)

    def write(self, changes: list[Change]) -> Durable:
        """All of them count, in memory and after a crash, or none. What is to be acknowledged waits for the future,
        if there is one. Raises `Refused`, and then nothing has changed."""
        if self._refusal is not None:
            raise self._refusal
        body = encode(changes)
        try:
            self._file.append((FRAME.pack(len(body), crc32c(body)), body))
        except OSError as error:
            log.error("journal cannot be written", error=str(error), is_full=error.errno == errno.ENOSPC)
            raise Refused(ErrorCode.KAFKA_STORAGE_ERROR, f"journal: {error.strerror}") from error
        for change in changes:
            values = self._tables[change.table]
            if change.value is None:
                values.pop(change.key, None)
            else:
                values[change.key] = change.value
        durable = self._flusher.wrote(self._file)
        if durable is not None and durable is not self._round:
            self._round = durable
            durable.add_done_callback(self._synced)
        if self._file.size > max(GROWTH_BYTES_MIN, GROWTH_FACTOR * self._snapshot_bytes) and self._rotation is None:
            self._rotate()
        return durable

    async def close(self) -> None:
        if self._rotation is not None:
            await self._rotation
        await self._flusher.flush()
        self._thread.close()
        self._refusal = Refused(ErrorCode.KAFKA_STORAGE_ERROR, "the broker has stopped")
        self._file.close()

    def _synced(self, durable: asyncio.Future[None]) -> None:
        if durable.cancelled() or durable.exception() is not None:
            # There may be a hole now, and what is written behind one is lost at the next start.
            self._refusal = Refused(ErrorCode.KAFKA_STORAGE_ERROR, "journal: the disk did not take what was written")

    def _rotate(self) -> None:
        """New changes go to a new file; the sum of the old ones is written beside, then they go. Until then, and where
        that fails, the old file's end is synced too: nothing that is acknowledged follows what can still be lost."""
        try:
            fresh = self._disk.open(self._folder / f"{self._number + 1:08}.journal")
            self._disk.sync_folder(self._folder)
        except OSError as error:
            log.warning("journal cannot be written anew yet", error=str(error))
            return
        old, old_number = self._file, self._number
        self._file, self._number = fresh, self._number + 1
        values = {name: list(table.items()) for name, table in self._tables.items()}
        self._rotation = asyncio.get_running_loop().create_task(self._write_snapshot(old, old_number, values))

    async def _write_snapshot(self, old: File, number: int, values: dict[str, list[tuple[Key, Any]]]) -> None:
        path = self._folder / f"{number:08}.snapshot"

        def write() -> int:
            pieces = list(_frames(values))
            self._disk.replace(path, pieces)
            self._remove_up_to(number)
            return sum(map(len, pieces))

        try:
            self._snapshot_bytes = await self._thread.run(write)
        except OSError as error:
            log.warning("journal cannot be written anew yet", error=str(error))
            if self._flusher.is_synced:
                with suppress(OSError):  # the flusher says it, and tells those who wait
                    await self._flusher.sync([old])
        finally:
            self._flusher.forget(old)
            old.close()
            self._rotation = None

    def _remove_up_to(self, number: int) -> None:
        for name in self._disk.names(self._folder):
            stem, _, kind = name.partition(".")
            if int(stem) <= number and (kind == "journal" or int(stem) < number):
                self._disk.remove(self._folder / name)

    def _recover(self) -> File:
        """Reads the newest snapshot and what came after it. Where a file is damaged, its rest and all later changes
        have never been acknowledged as durable: they are cut."""
        names = [name for name in self._disk.names(self._folder) if not name.endswith(".draft")]
        snapshots = [int(name.partition(".")[0]) for name in names if name.endswith(".snapshot")]
        base = max(snapshots, default=0)
        if base:
            content = self._disk.read(self._folder / f"{base:08}.snapshot")
            self._snapshot_bytes = self._replay(content)
            if self._snapshot_bytes < len(content):
                log.error("journal's snapshot is damaged", number=base, bytes_lost=len(content) - self._snapshot_bytes)
        self._number = base + 1
        journals = sorted(int(name.partition(".")[0]) for name in names if name.endswith(".journal"))
        for number in [number for number in journals if number > base]:
            path = self._folder / f"{number:08}.journal"
            content = self._disk.read(path)
            sound = self._replay(content)
            self._number = number
            if sound < len(content):
                log.warning("journal was cut", file=path.name, bytes_lost=len(content) - sound)
                return self._cut(path, sound, [later for later in journals if later > number])
        file = self._disk.open(self._folder / f"{self._number:08}.journal")
        self._disk.sync_folder(self._folder)
        return file

    def _cut(self, path: Path, size: int, later: list[int]) -> File:
        for number in later:
            self._disk.remove(self._folder / f"{number:08}.journal")
        file = self._disk.open(path)
        file.truncate(size)
        file.sync()
        self._disk.sync_folder(self._folder)
        return file

    def _replay(self, content: bytes) -> int:
        """Applies the frames that are whole; gives the size of those."""
        position = 0
        view = memoryview(content)
        while position + FRAME.size <= len(content):
            length, checksum = FRAME.unpack_from(content, position)
            body = view[position + FRAME.size : position + FRAME.size + length]
            if length == 0 or len(body) < length or crc32c(body) != checksum:
                break
            for table, key, raw in decode_changes(body):
                values = self._raw.setdefault(table, {})
                if bytes(raw) == NOTHING:
                    values.pop(_key(key), None)
                else:
                    values[_key(key)] = raw
            position += FRAME.size + length
        return position


def _key(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key


def _frames(values: dict[str, list[tuple[Key, Any]]]) -> Iterator[bytes]:
    changes = [Change(name, key, value) for name, table in values.items() for key, value in table]
    for start in range(0, len(changes), SNAPSHOT_CHANGES):
        body = encode(changes[start : start + SNAPSHOT_CHANGES])
        yield FRAME.pack(len(body), crc32c(body)) + body
