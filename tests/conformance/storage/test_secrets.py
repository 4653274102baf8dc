"""Named secrets and tags, on both databases."""

from __future__ import annotations

import pytest

from tidemill.access.ports import KeptSecret, Tagged
from tidemill.core.errors import NotFound
from tidemill.storage.database import Database
from tidemill.storage.definitions import StoredDefinitions
from tidemill.storage.secrets import StoredSecrets
from tidemill.storage.tags import StoredTags

A, B = KeptSecret("a", "sealed", "ann", 10), KeptSecret("b", "sealed", "ann", 10)
RED, BLUE = Tagged("secret", "a", "team", "red"), Tagged("secret", "a", "team", "blue")
OTHER = Tagged("task", "a", "team", "red")


async def test_secrets(database: Database) -> None:
    store = StoredSecrets(database)
    async with database.begin() as tx:
        await store.put(tx, B)
        await store.put(tx, A)
    assert await store.names() == ["a", "b"]
    revision = await StoredDefinitions(database).revision()
    assert await store.load(["b", "a", "none\x00"]) == [A, B]
    assert await store.load([]) == []
    changed = KeptSecret("a", "anew", "bob", 20)
    async with database.begin() as tx:
        await store.put(tx, changed)
        await store.remove(tx, "b")
    assert await store.load(["a", "b"]) == [changed]
    assert await StoredDefinitions(database).revision() == revision + 2  # rule chains are built with them
    with pytest.raises(NotFound):
        async with database.begin() as tx:
            await store.remove(tx, "b")


async def test_tags(database: Database) -> None:
    store = StoredTags(database)
    async with database.begin() as tx:
        await store.add(tx, [])
        await store.add(tx, [RED, OTHER])
        await store.add(tx, [RED, BLUE])
    assert await store.find() == [BLUE, RED, OTHER]
    assert await store.find("secret") == [BLUE, RED]
    assert await store.find("secret", "none\x00") == []
    async with database.begin() as tx:
        await store.remove(tx, [RED, Tagged("secret", "a", "no", "such")])
    assert await store.find("secret", "a") == [BLUE]
    async with database.begin() as tx:
        await store.remove_all(tx, "secret", "a")
    assert await store.find() == [OTHER]
