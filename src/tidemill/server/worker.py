"""Who this process is among the workers: the same name after a restart, if no other process has it.

With a name of its own a worker that was killed gets its partitions and its lease back at once, instead of
waiting until Kafka's session and the lease are over.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tidemill.core.errors import Unavailable
from tidemill.core.ids import new_id


@dataclass(frozen=True, slots=True)
class WorkerName:
    """`is_kept`: the process will have the same name after a restart."""

    text: str
    is_kept: bool


def worker_name(data: Path, now_ms: int, stack: AsyncExitStack) -> WorkerName:
    """A second process on the same folder gets a new name each time.

    A kept name is ours for as long as we hold the lock on its file; `stack` gives it up.
    """
    path = data / "worker"
    try:
        data.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Unavailable(f"no place for {path}: {error.strerror}") from error
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return WorkerName(new_id(now_ms), is_kept=False)
    name = os.read(descriptor, 100).decode()
    if not name:
        name = new_id(now_ms)
        os.write(descriptor, name.encode())
    return WorkerName(name, is_kept=True)
