"""Frames larger than an inbox, in pieces of any size."""

from __future__ import annotations

import random

import pytest

from tidemill.broker.large_frame import FIRST_BYTES, LargeFrame


@pytest.mark.parametrize("size", [100_000, FIRST_BYTES, FIRST_BYTES + 1, 5 * FIRST_BYTES + 17])
def test_pieces(size: int) -> None:
    rng = random.Random(size)
    sent = rng.randbytes(size)
    at = rng.randrange(60_000)
    frame, whole = LargeFrame(size, sent[:at]), None
    while whole is None:
        room = frame.room()
        count = min(len(room), rng.choice((1, 70_000, 2_000_000)))
        room[:count] = sent[at : at + count]
        del room
        whole = frame.add(count)
        at += count
    assert whole == sent


def test_what_was_only_promised_takes_no_memory() -> None:
    frame = LargeFrame(100_000_000, b"start")
    assert len(frame.room()) < 2 * FIRST_BYTES
    assert frame.add(FIRST_BYTES - 5) is None
    assert len(frame.room()) == FIRST_BYTES
