"""Bodies are unpacked within a limit."""

from __future__ import annotations

import gzip
import zlib

import pytest

from tidemill.web.content import BadContent, Content, TooLarge

TEXT = b"0123456789" * 1_000


def _read(body: bytes, encoding: str, bytes_max: int = len(TEXT), piece_bytes: int = 7) -> bytes:
    content = Content(encoding, bytes_max)
    for start in range(0, len(body), piece_bytes):
        content.add(body[start : start + piece_bytes])
    return content.finish()


def _bare(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (TEXT, ""),
        (TEXT, "identity"),
        (gzip.compress(TEXT, mtime=0), "gzip"),
        (gzip.compress(TEXT[:5_000], mtime=0) + gzip.compress(TEXT[5_000:], mtime=0), "GZIP"),
        (zlib.compress(TEXT), "deflate"),
        (_bare(TEXT), "deflate"),
    ],
)
@pytest.mark.parametrize("piece_bytes", [7, 1_000_000])
def test_what_is_as_large_as_the_limit_is_read(body: bytes, encoding: str, piece_bytes: int) -> None:
    assert _read(body, encoding, piece_bytes=piece_bytes) == TEXT
    with pytest.raises(TooLarge):
        _read(body, encoding, len(TEXT) - 1, piece_bytes)


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(100_000_000))
    content = Content("gzip", 1_000)
    with pytest.raises(TooLarge):
        content.add(bomb)


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (b"no gzip", "gzip", "cannot be decompressed"),
        (b"\xff" * 50, "deflate", "cannot be decompressed"),
        (gzip.compress(TEXT, mtime=0)[:-10], "gzip", "ends before"),
        (TEXT, "br", "was not asked for"),
    ],
)
def test_what_is_not_as_it_says_is_bad(body: bytes, encoding: str, reason: str) -> None:
    with pytest.raises(BadContent, match=reason):
        _read(body, encoding)


def test_nothing_is_nothing() -> None:
    assert _read(b"", "gzip") == b""
