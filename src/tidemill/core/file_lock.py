"""One process per thing on disk. The lock is the kernel's: it ends with the process, however that ends."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from tidemill.core.errors import Conflict


class FileLock:
    """Holds `<file>.lock`. The file stays behind: deleting it would let two processes hold two of them."""

    def __init__(self, file: Path, advice: str) -> None:
        self._file = file
        self._advice = advice
        self._handle: IO[str] | None = None

    def take(self) -> None:
        """Raises `Conflict` with what to do about it."""
        handle = self._file.with_name(self._file.name + ".lock").open("a")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            raise Conflict(f"another Tidemill process works on {self._file}; {self._advice}") from None
        self._handle = handle

    def release(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None
