"""Users, applications, keys and the audit log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tidemill.access.ports import AccessKey, Application, AuditEntry, User
from tidemill.core.errors import Conflict, NotFound
from tidemill.core.transaction import Transaction
from tidemill.storage.access import StoredAuditLog, StoredPrincipals
from tidemill.storage.database import Database

ANN = User("ann", "Ann", ("ADMIN", "USER"), "hash", 1, 10, 10)
APPLICATION = Application("a1", "shop", ("WORKER",), "ann", 10, 10)
KEY = AccessKey("k1", "a1", "hash", True, 10)


async def test_users(database: Database) -> None:
    store = StoredPrincipals(database)
    async with database.begin() as tx:
        await store.add_user(tx, ANN)
        await store.add_user(tx, User("abe", "Abe", (), "h", 1, 5, 5))

    assert await store.user("ann") == ANN
    assert await store.user("nobody\x00") is None
    assert [user.id for user in await store.users()] == ["abe", "ann"]
    with pytest.raises(Conflict):
        async with database.begin() as tx:
            await store.add_user(tx, ANN)
    changed = User("ann", "Ann", (), "other", 2, 10, 20)
    async with database.begin() as tx:
        await store.replace_user(tx, changed)
    assert await store.user("ann") == changed
    with pytest.raises(NotFound):
        async with database.begin() as tx:
            await store.replace_user(tx, User("none", "", (), "", 1, 1, 1))


async def test_applications_and_their_keys(database: Database) -> None:
    store = StoredPrincipals(database)
    async with database.begin() as tx:
        await store.add_application(tx, APPLICATION)
        await store.add_key(tx, KEY)
        await store.add_key(tx, AccessKey("k0", "a1", "h", True, 10))

    assert await store.application("a1") == APPLICATION
    assert await store.applications() == [APPLICATION]
    assert await store.key("k1") == KEY
    assert [key.id for key in await store.keys("a1")] == ["k0", "k1"]
    off = AccessKey("k1", "a1", "hash", False, 10)
    async with database.begin() as tx:
        await store.replace_key(tx, off)
        await store.remove_key(tx, "k0")
        await store.replace_application(tx, Application("a1", "shop", (), "ann", 10, 30))
    assert await store.keys("a1") == [off]
    assert (await store.applications())[0].roles == ()


async def test_what_does_not_exist_is_not_found(database: Database) -> None:
    store = StoredPrincipals(database)
    calls: list[Callable[[Transaction], Awaitable[None]]] = [
        lambda tx: store.add_key(tx, KEY),
        lambda tx: store.replace_key(tx, KEY),
        lambda tx: store.remove_key(tx, "k1"),
        lambda tx: store.replace_application(tx, APPLICATION),
        lambda tx: store.remove_application(tx, "a1"),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            async with database.begin() as tx:
                await call(tx)


async def test_keys_go_with_their_application(database: Database) -> None:
    store = StoredPrincipals(database)
    async with database.begin() as tx:
        await store.add_application(tx, APPLICATION)
        await store.add_key(tx, KEY)
        await store.remove_application(tx, "a1")

    assert await store.key("k1") is None
    assert await store.application("a1") is None


async def test_the_audit_log_pages_newest_first(database: Database) -> None:
    log = StoredAuditLog(database)
    entries = [
        AuditEntry(str(each), each, "ann" if each % 2 else "bob", "READ", "workflow:a\x00", "refused", {"why": "é"})
        for each in range(1, 6)
    ]
    async with database.begin() as tx:
        await log.add(tx, entries)

    found = await log.find(principal=None, limit=2, before_id=None)
    assert [entry.id for entry in found] == ["5", "4"]
    assert (found[0].resource, found[0].detail, found[0].at_ms) == ("workflow:a\ufffd", {"why": "é"}, 5)
    assert [entry.id for entry in await log.find(principal="ann", limit=9, before_id="5")] == ["3", "1"]
