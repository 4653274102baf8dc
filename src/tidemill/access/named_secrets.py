"""Secrets that users keep here under a name: encrypted at rest, handed out to hand-overs only (`workflows.secrets`)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import structlog

from tidemill.access.audit import Audit
from tidemill.access.ports import KeptSecret, SecretStore, TagStore
from tidemill.core.cipher import Cipher, WrongKey
from tidemill.core.clock import Clock
from tidemill.core.errors import BadInput, NotFound
from tidemill.core.transaction import Transactions

log = structlog.get_logger(__name__)

VALUE_CHARACTERS_MAX = 65_536
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,200}")


class NamedSecrets:
    """No method but `values` tells a value, and no route calls that one."""

    def __init__(
        self,
        store: SecretStore,
        tags: TagStore,
        cipher: Cipher,
        audit: Audit,
        transactions: Transactions,
        clock: Clock,
    ) -> None:
        self._store = store
        self._tags = tags
        self._cipher = cipher
        self._audit = audit
        self._transactions = transactions
        self._clock = clock

    async def names(self) -> Sequence[str]:
        return await self._store.names()

    async def check_exists(self, name: str) -> None:
        """Raises `NotFound`."""
        if not await self.exists(name):
            raise NotFound(f"there is no secret {name!r}")

    async def exists(self, name: str) -> bool:
        return bool(await self._store.load([name]))

    async def put(self, name: str, value: str, author: str) -> None:
        """Raises `BadInput` for a name that no expression could name, and for a value that is none."""
        if not _NAME.fullmatch(name):
            raise BadInput("the name of a secret has 1 to 200 of the characters A-Z a-z 0-9 _ . -")
        if not value or len(value) > VALUE_CHARACTERS_MAX:
            raise BadInput(f"the value of a secret has 1 to {VALUE_CHARACTERS_MAX} characters")
        secret = KeptSecret(name, self._cipher.encrypt(value), author, self._clock.now_ms())
        async with self._transactions.begin() as tx:
            await self._store.put(tx, secret)
            await self._audit.changed_in(tx, author, "secret.put", f"secret:{name}")

    async def remove(self, name: str, author: str) -> None:
        """Its tags go with it. Raises `NotFound`."""
        async with self._transactions.begin() as tx:
            await self._store.remove(tx, name)
            await self._tags.remove_all(tx, "secret", name)
            await self._audit.changed_in(tx, author, "secret.remove", f"secret:{name}")

    async def values(self, names: Collection[str]) -> Mapping[str, str]:
        """See `workflows.ports.SecretSource`."""
        values = {}
        for secret in await self._store.load(names):
            try:
                values[secret.name] = self._cipher.decrypt(secret.sealed)
            except WrongKey as error:
                log.error("secret cannot be read", secret=secret.name, error=str(error))
        return values
