"""A response's body: decompressed as it comes, and never more of it than the limit, whatever it unpacks to."""

from __future__ import annotations

import zlib


class TooLarge(Exception):
    """The body is over the limit."""


class BadContent(Exception):
    """The body is not what its encoding says."""


class Content:
    """`add` each piece as it comes, then `finish`. `encoding` is the header Content-Encoding. Raises `BadContent` for
    one that is unknown."""

    def __init__(self, encoding: str, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._body = bytearray()
        self._decompressor = None
        self._is_begun = False
        encoding = encoding.strip().lower()
        if encoding in ("gzip", "x-gzip", "deflate"):
            self._decompressor = zlib.decompressobj(_ANY_HEADER)
        elif encoding not in ("", "identity"):
            raise BadContent(f"its encoding {encoding[:50]!r} was not asked for")
        self._may_be_bare = encoding == "deflate"

    def add(self, piece: bytes) -> None:
        if self._decompressor is None:
            self._take(piece)
            return
        self._is_begun = self._is_begun or bool(piece)
        while piece:
            if self._decompressor.eof:
                # gzip may be several, one after the other.
                self._decompressor = zlib.decompressobj(_ANY_HEADER)
            self._take(self._decompress(piece))
            piece = self._decompressor.unused_data

    def finish(self) -> bytes:
        if self._decompressor is not None and self._is_begun and not self._decompressor.eof:
            raise BadContent("it ends before its compression does")
        return bytes(self._body)

    def _decompress(self, piece: bytes) -> bytes:
        assert self._decompressor is not None
        room = self._bytes_max - len(self._body) + 1
        try:
            return self._decompressor.decompress(piece, room)
        except zlib.error as error:
            if self._may_be_bare and not self._body:
                # Some services send deflate without the header that it ought to have.
                self._may_be_bare = False
                self._decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
                return self._decompress(piece)
            raise BadContent(f"it cannot be decompressed: {error}") from error

    def _take(self, piece: bytes) -> None:
        self._body += piece
        if len(self._body) > self._bytes_max:
            raise TooLarge


_ANY_HEADER = zlib.MAX_WBITS | 32
