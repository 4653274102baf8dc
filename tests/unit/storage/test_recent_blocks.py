"""Blocks of the outbox that this process wrote itself are not decoded to be published: what the database gives counts,
byte for byte."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tidemill.ingest.publication import Publication
from tidemill.storage import blocks


@pytest.fixture(autouse=True)
def recent(monkeypatch: pytest.MonkeyPatch) -> blocks.Recent:
    """What is kept, nothing of it from other tests."""
    kept = blocks.Recent(blocks.RECENT_MAX)
    monkeypatch.setattr(blocks, "_recent", kept)
    return kept


def publications(count: int, first: int = 0) -> list[Publication]:
    own = (("tidemill-hops", b"1"), ("empty", None))
    return [
        Publication(f"publication-{number:040d}", "shop", "out", None, b"k", None, own, 1_000, "unheard:")
        for number in range(first, first + count)
    ]


def cut(some: Sequence[Publication]) -> blocks.Block:
    (block,) = blocks.cut(some)
    return block


def read(data: bytes) -> list[Publication]:
    return [row.publication for row in blocks.rows(7, data)]


def test_what_was_written_comes_back_as_it_was_with_and_without_being_decoded() -> None:
    some = publications(3)
    data = cut(some).data
    first, again = read(data), read(data)
    assert first == again == some
    assert [first[at] is some[at] for at in range(3)] == [True] * 3
    assert [again[at] is some[at] for at in range(3)] == [False] * 3
    assert blocks.rows(7, data) == blocks.rows(7, data)


def test_a_block_that_was_written_again_is_what_it_is_now() -> None:
    data = cut(publications(3)).data
    (_, last, _) = [row.id for row in blocks.rows(7, bytes(data))]
    cut(publications(3))
    left, rest = blocks.without(data, [last])
    assert left == 2
    assert read(rest) == [publications(3)[0], publications(3)[2]]


def test_other_bytes_that_begin_alike_are_others() -> None:
    some = publications(2)
    data = cut(some).data
    assert data.endswith(b"unheard:")
    other = data.removesuffix(b"unheard:") + b"unhears:"
    assert [each.origin for each in read(other)] == ["unheard:", "unhears:"]


def test_no_more_than_some_are_kept_and_none_that_was_asked_for(recent: blocks.Recent) -> None:
    written = [cut(publications(1, first=number)).data for number in range(blocks.RECENT_MAX + 5)]
    assert len(recent) == blocks.RECENT_MAX
    assert [read(data)[0].id for data in written] == [publications(1, first=n)[0].id for n in range(len(written))]
    assert len(recent) == 0
