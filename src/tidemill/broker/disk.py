"""Everything that the broker asks of the file system, so that a test can put a disk below it that forgets what was not
synced. Calls block, and raise `OSError`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Protocol

Bytes = bytes | bytearray | memoryview


class File(Protocol):
    """A file that grows at its end."""

    @property
    def size(self) -> int: ...

    def append(self, pieces: Sequence[Bytes]) -> None:
        """All of them, or none: what a full disk took of them is cut off again before the error is raised."""
        ...

    def read(self, position: int, length: int) -> bytes:
        """Fewer bytes only at the end."""
        ...

    def truncate(self, size: int) -> None: ...

    def sync(self) -> None:
        """Returns when the content will survive a power cut. May be called from another thread; of a file that was
        closed meanwhile nothing matters any more."""
        ...

    def close(self) -> None: ...


class Disk(Protocol):
    def open(self, path: Path) -> File:
        """For reading and appending; made if it is not there."""
        ...

    def size(self, path: Path) -> int:
        """Raises `FileNotFoundError`."""
        ...

    def read(self, path: Path) -> bytes:
        """The whole file. Raises `FileNotFoundError`."""
        ...

    def replace(self, path: Path, pieces: Sequence[Bytes]) -> None:
        """The file has this content or the one before, whenever the power goes; synced when this returns."""
        ...

    def rename(self, path: Path, target: Path) -> None: ...

    def remove(self, path: Path) -> None:
        """A file or an empty folder; not being there is fine."""
        ...

    def names(self, folder: Path) -> list[str]:
        """What is in a folder, sorted; nothing if it is not there."""
        ...

    def make_folder(self, folder: Path) -> None: ...

    def sync_folder(self, folder: Path) -> None:
        """Returns when the names in it will survive a power cut."""
        ...


class SystemFile:
    """A file of the operating system."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._descriptor).st_size
        self._closing = Lock()  # a number that was closed may be another file's by the time it is synced
        self._is_closed = False

    @property
    def size(self) -> int:
        return self._size

    def append(self, pieces: Sequence[Bytes]) -> None:
        wanted = sum(map(len, pieces))
        try:
            written = os.pwritev(self._descriptor, pieces, self._size)
            if written < wanted:  # a signal, a full disk, or more than the kernel takes in one call
                rest = memoryview(b"".join(pieces))[written:]
                while rest:
                    written = os.pwrite(self._descriptor, rest, self._size + wanted - len(rest))
                    rest = rest[written:]
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += wanted

    def read(self, position: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, position)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)
        self._size = size

    def sync(self) -> None:
        with self._closing:
            if not self._is_closed:
                os.fdatasync(self._descriptor)

    def close(self) -> None:
        with self._closing:
            self._is_closed = True
            os.close(self._descriptor)


class SystemDisk:
    """The disk of the operating system."""

    def open(self, path: Path) -> File:
        return SystemFile(path)

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def replace(self, path: Path, pieces: Sequence[Bytes]) -> None:
        draft = path.with_name(path.name + ".draft")
        with draft.open("wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        self.sync_folder(path.parent)

    def rename(self, path: Path, target: Path) -> None:
        path.replace(target)

    def remove(self, path: Path) -> None:
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)

    def names(self, folder: Path) -> list[str]:
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def make_folder(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)

    def sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
