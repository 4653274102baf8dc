"""Passwords and key secrets: made at random, kept as argon2 hashes, compared off the event loop."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from tidemill.core.blocking import BlockingThread
from tidemill.core.errors import Unavailable

WAITING_MAX = 64
"""Comparisons that may wait at a time: each takes tens of milliseconds on the one thread."""


def random_secret() -> str:
    """256 bits, in letters that need no escaping anywhere."""
    return secrets.token_hex(32)


class SecretHasher:
    """Hashes and compares. Slow by design, so a flood of sign-ins is turned away, not queued for ever."""

    def __init__(self, hasher: PasswordHasher | None = None, thread: BlockingThread | None = None) -> None:
        # OWASP's second choice: 19 MiB keeps the memory budget with one comparison at a time.
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._thread = thread or BlockingThread("argon2")
        self._decoy = ""
        self._waiting = 0

    async def hash(self, secret: str) -> str:
        return await self._thread.run(self._hasher.hash, secret)

    async def matches(self, secret: str, secret_hash: str | None) -> bool:
        """Without a hash (an unknown name) it takes as long as with one, and says no."""
        if self._waiting >= WAITING_MAX:
            raise Unavailable("too many sign-ins at a time; try again")
        self._waiting += 1
        try:
            if not self._decoy:
                self._decoy = await self.hash(random_secret())
            is_match = await self._thread.run(self._verify, secret_hash or self._decoy, secret)
        finally:
            self._waiting -= 1
        return is_match and secret_hash is not None

    def close(self) -> None:
        self._thread.close()

    def _verify(self, secret_hash: str, secret: str) -> bool:
        try:
            return self._hasher.verify(secret_hash, secret)
        except (Argon2Error, InvalidHashError):
            return False
