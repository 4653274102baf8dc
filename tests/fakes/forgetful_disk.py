"""A disk in memory that forgets, when the power goes, what was not synced: ends of files, names, renames. It can also
run full. Satisfies `tidemill.broker.disk.Disk`.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Sequence
from pathlib import Path

from tidemill.broker.disk import Bytes, File


class Full(OSError):
    def __init__(self) -> None:
        super().__init__(errno.ENOSPC, "No space left on device")


class Node:
    """The content of a file, whatever it is called."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.synced = content


class ForgetfulFile:
    def __init__(self, disk: ForgetfulDisk, node: Node) -> None:
        self._disk = disk
        self._node = node
        self._is_closed = False

    @property
    def size(self) -> int:
        return len(self._node.content)

    def append(self, pieces: Sequence[Bytes]) -> None:
        self._check_open()
        content = b"".join(pieces)
        self._disk.take(len(content))
        self._node.content += content

    def read(self, position: int, length: int) -> bytes:
        self._check_open()
        return bytes(self._node.content[position : position + length])

    def truncate(self, size: int) -> None:
        self._check_open()
        del self._node.content[size:]

    def sync(self) -> None:
        if not self._is_closed:
            self._node.synced = bytes(self._node.content)

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise OSError(errno.EBADF, "the file is closed")


class ForgetfulDisk:
    """`room` is how many bytes still fit; None: any number."""

    def __init__(self, room: int | None = None) -> None:
        self.room = room
        self._nodes: dict[Path, Node] = {}
        self._durable: dict[Path, Node] = {}  # the names as they were when their folder was synced
        self._folders: set[Path] = set()

    def power_cut(self, chance: random.Random) -> ForgetfulDisk:
        """The disk that is found afterwards. Of what was not synced anything may be left: nothing, all, a beginning,
        or a length without its content."""
        found = ForgetfulDisk()
        for path in self._nodes.keys() | self._durable.keys():
            now, before = self._nodes.get(path), self._durable.get(path)
            node = now if now is before or chance.random() < 0.5 else before
            if node is not None:
                found._put(path, Node(_left_of(node, chance)))
        return found

    def damaged(self, path: Path, content: bytes) -> ForgetfulDisk:
        """A copy in which one file has another content."""
        found = self.as_it_is()
        found._put(path, Node(content))
        return found

    def as_it_is(self) -> ForgetfulDisk:
        """A copy with everything that was written: only the process died."""
        found = ForgetfulDisk()
        for path, node in self._nodes.items():
            found._put(path, Node(bytes(node.content)))
        return found

    def take(self, size: int) -> None:
        if self.room is not None:
            if size > self.room:
                raise Full
            self.room -= size

    def open(self, path: Path) -> File:
        return ForgetfulFile(self, self.node(path))

    def node(self, path: Path) -> Node:
        """Made if it is not there."""
        if path not in self._nodes:
            self.take(1)
            self._nodes[path] = Node()
        return self._nodes[path]

    def size(self, path: Path) -> int:
        return len(self._node(path).content)

    def read(self, path: Path) -> bytes:
        return bytes(self._node(path).content)

    def replace(self, path: Path, pieces: Sequence[Bytes]) -> None:
        content = b"".join(pieces)
        self.take(len(content))
        self._nodes[path] = Node(content)
        self.sync_folder(path.parent)

    def rename(self, path: Path, target: Path) -> None:
        self._nodes[target] = self._node(path)
        del self._nodes[path]

    def remove(self, path: Path) -> None:
        self._nodes.pop(path, None)
        self._folders.discard(path)

    def names(self, folder: Path) -> list[str]:
        inside = {path.relative_to(folder).parts[0] for path in self._nodes if folder in path.parents}
        return sorted(inside | {path.name for path in self._folders if path.parent == folder})

    def make_folder(self, folder: Path) -> None:
        self._folders.add(folder)

    def sync_folder(self, folder: Path) -> None:
        for path in [path for path in self._durable if path.parent == folder and path not in self._nodes]:
            del self._durable[path]
        self._durable |= {path: node for path, node in self._nodes.items() if path.parent == folder}

    def _node(self, path: Path) -> Node:
        if path not in self._nodes:
            raise FileNotFoundError(path)
        return self._nodes[path]

    def _put(self, path: Path, node: Node) -> None:
        self._nodes[path] = self._durable[path] = node


def _left_of(node: Node, chance: random.Random) -> bytes:
    now, synced = bytes(node.content), node.synced
    if now == synced:
        return now
    if not now.startswith(synced):  # it was cut
        return now if chance.random() < 0.5 else synced
    added = now[len(synced) :]
    left = added[: chance.randrange(len(added) + 1)]
    match chance.randrange(5):
        case 0:
            return synced
        case 1:
            return now
        case 2:
            return synced + left
        case 3:
            return synced + left + bytes(len(added) - len(left))
        case _:
            torn = bytearray(added)
            torn[chance.randrange(len(torn))] ^= 1 << chance.randrange(8)
            return synced + bytes(torn)
