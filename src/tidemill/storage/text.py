"""Text that users and their records bring, made fit for a text column. Used for words, never for names."""

from __future__ import annotations


def storable(text: str) -> str:
    """PostgreSQL takes no NUL, and neither database half a surrogate pair: both become a replacement mark."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
