"""What one connection has shown of who it is. Made with the connection; the security part fills it in."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Step(msgspec.Struct, frozen=True):
    """What an exchange answers. `user` is there when it is over, and it is true."""

    answer: bytes
    user: str | None = None


class Exchange(Protocol):
    """One authentication under way."""

    async def step(self, given: bytes) -> Step:
        """Raises `Refused` with SASL_AUTHENTICATION_FAILED; then it is over."""
        ...


class Session:
    """`is_authenticated` from the start where nobody needs to be; `is_refused`: answer, then close."""

    __slots__ = ("exchange", "is_authenticated", "is_refused", "user")

    def __init__(self, *, is_authenticated: bool = True) -> None:
        self.is_authenticated = is_authenticated
        self.is_refused = False
        self.user: str | None = None
        self.exchange: Exchange | None = None
