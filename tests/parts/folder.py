"""Where the real parts keep their data. For tests in memory, where there is room: nobody pulls the plug there, and a
disk that several brokers and databases wait for stalls them for seconds. Benchmarks keep it on the disk.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

IN = "TIDEMILL_PARTS_IN"
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 * 2**30


def prefer_memory() -> None:
    """For all parts of this process from now on."""
    if IN not in os.environ and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES:
        os.environ[IN] = str(_MEMORY)


def new_folder(prefix: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=prefix, dir=os.environ.get(IN)))
