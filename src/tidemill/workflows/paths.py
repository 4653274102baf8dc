"""The text of a path: on which task it hangs, and as which of its branches or iterations (decision 0012). Pure."""

from __future__ import annotations

from collections.abc import Iterator


def below(path: str, seq: int, index: int) -> str:
    """The path of a branch or an iteration of the task `seq`, which itself stands on `path`."""
    return f"{path}/{seq}.{index}" if path else f"{seq}.{index}"


def container_of(path: str) -> tuple[int, int]:
    """The number of the task that the path hangs on, and which of its branches or iterations it is."""
    seq, _, index = path.rpartition("/")[2].partition(".")
    return int(seq), int(index)


def containers(path: str) -> Iterator[int]:
    """The numbers of all tasks that the path hangs on, from the inside out."""
    while path:
        path, _, last = path.rpartition("/")
        yield int(last.partition(".")[0])


def is_within(path: str, outer: str) -> bool:
    """Whether a path is another one, or hangs somewhere on it."""
    return path == outer or path.startswith(f"{outer}/")
