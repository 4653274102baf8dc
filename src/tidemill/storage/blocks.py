"""Blocks of the outbox: publications of one integration that were written together, as one value (decision 0020).

A publication's id says its block, how many the block had when it was written, and which of them it is. So whoever has
all ids of a block knows that it may go, without reading it. Pure: no statement is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from tidemill.ingest.outbox import OutboxRow
from tidemill.ingest.publication import Publication

RECORDS_MAX = 500
BYTES_MAX = 1_000_000
"""A single publication may be larger."""

_BITS = 12
_MASK = (1 << _BITS) - 1

RECENT_MAX = 32
"""So many blocks that this process has written are kept as they were before: mostly it is the one to publish them."""
_MARK_BYTES = 96
"""The beginning of a block has its first publication's id."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Publication | None]).decode


class Recent:
    """What some bytes are when they are decoded, without decoding them. The bytes count: who asks with others, be it
    by one, gets None. Gives each once."""

    def __init__(self, blocks_max: int) -> None:
        self._blocks_max = blocks_max
        self._found: dict[bytes, tuple[bytes, Sequence[Publication]]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def put(self, data: bytes, publications: Sequence[Publication]) -> None:
        self._found[data[:_MARK_BYTES]] = data, publications
        if len(self._found) > self._blocks_max:
            del self._found[next(iter(self._found))]

    def take(self, data: bytes) -> Sequence[Publication] | None:
        known = self._found.pop(data[:_MARK_BYTES], None)
        return known[1] if known is not None and known[0] == data else None


_recent = Recent(RECENT_MAX)


class Block(msgspec.Struct, frozen=True):
    """One that is to be written."""

    publications: Sequence[Publication]
    data: bytes


def cut(publications: Sequence[Publication]) -> Iterator[Block]:
    """Into blocks; those of each integration in order."""
    by_integration: dict[str, list[Publication]] = {}
    for each in publications:
        by_integration.setdefault(each.integration, []).append(each)
    for own in by_integration.values():
        for start in range(0, len(own), RECORDS_MAX):
            yield from _small(own[start : start + RECORDS_MAX])


def _small(publications: Sequence[Publication]) -> Iterator[Block]:
    """In halves, as long as they are too large."""
    data = _encode(publications)
    middle = len(publications) // 2
    if len(data) <= BYTES_MAX or not middle:
        _recent.put(data, publications)
        yield Block(publications, data)
        return
    yield from _small(publications[:middle])
    yield from _small(publications[middle:])


def fitting(rows: Sequence[OutboxRow], bytes_max: int) -> int:
    """How many of them there may be: up to the one that reaches the bound."""
    size = 0
    for count, row in enumerate(rows, start=1):
        size += len(_encode(row.publication))
        if size >= bytes_max:
            return count
    return len(rows)


def rows(block: int, data: bytes) -> list[OutboxRow]:
    publications = _recent.take(data) or _decode(data)
    first = block << 2 * _BITS | len(publications) << _BITS
    return [OutboxRow(first | index, each) for index, each in enumerate(publications) if each is not None]


def without(data: bytes, gone: Iterable[int]) -> tuple[int, bytes]:
    """The block without these: how many are left, and the rest. The others keep their places, and so their ids."""
    publications = _decode(data)
    for id_ in gone:
        publications[id_ & _MASK] = None
    return len(publications) - publications.count(None), _encode(publications)


def block_of(id_: int) -> int:
    return id_ >> 2 * _BITS


def by_block(ids: Sequence[int]) -> tuple[list[int], Mapping[int, set[int]]]:
    """The blocks of which all are here, and what is here of the others."""
    found: dict[int, set[int]] = {}
    for id_ in ids:
        found.setdefault(id_ >> _BITS, set()).add(id_)
    whole = [block >> _BITS for block, own in found.items() if len(own) == block & _MASK]
    return whole, {block >> _BITS: own for block, own in found.items() if len(own) != block & _MASK}
