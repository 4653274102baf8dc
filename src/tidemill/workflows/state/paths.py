"""The text of a path: on which task it hangs, and as which of its branches or iterations (decision 0012). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


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


def iterations(path: str, within: Sequence[bool]) -> tuple[int, ...]:
    """The number of the iteration of each loop around, from the outside in. `within`: per container, if it is a loop;
    `Step.within`."""
    return tuple(int(part.partition(".")[2]) for part in _of_loops(path, within))


def loops(path: str, within: Sequence[bool]) -> tuple[int, ...]:
    """The numbers of the loops' tasks themselves, from the outside in."""
    return tuple(int(part.partition(".")[0]) for part in _of_loops(path, within))


def _of_loops(path: str, within: Sequence[bool]) -> Iterator[str]:
    parts = path.split("/") if path else ()
    return (part for part, is_loop in zip(parts, within, strict=False) if is_loop)
