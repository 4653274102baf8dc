"""Groups of users, on both databases."""

from __future__ import annotations

import pytest

from tidemill.access.ports import Group, User
from tidemill.core.errors import NotFound
from tidemill.storage.access import StoredPrincipals
from tidemill.storage.database import Database
from tidemill.storage.groups import StoredGroups

ANN, BOB = (User(name, name, ("USER",), "hash", 1, 10, 10) for name in ("ann", "bob"))
OPS, DEV = Group("ops", "Operations", ("ADMIN", "USER"), 10, 10), Group("dev", "Development", (), 10, 10)


async def test_groups_and_their_members(database: Database) -> None:
    people, store = StoredPrincipals(database), StoredGroups(database)
    async with database.begin() as tx:
        for user in (ANN, BOB):
            await people.add_user(tx, user)
        for group in (OPS, DEV):
            await store.put_group(tx, group)
        await store.add_members(tx, "ops", ["bob", "ann", "ann"])
        await store.add_members(tx, "ops", ["ann"])
        await store.add_members(tx, "dev", ["ann"])
        await store.add_members(tx, "dev", [])
    assert await store.groups() == [DEV, OPS]
    assert (await store.group("ops"), await store.group("no\x00")) == (OPS, None)
    assert await store.members("ops") == [ANN, BOB]
    assert await store.groups_of("ann") == [DEV, OPS]

    changed = Group("ops", "Other", (), 10, 20)
    async with database.begin() as tx:
        await store.put_group(tx, changed)
        await store.remove_members(tx, "ops", ["bob", "no\x00"])
    assert (await store.group("ops"), await store.members("ops")) == (changed, [ANN])

    async with database.begin() as tx:
        await store.remove_group(tx, "dev")
        await people.remove_user(tx, "ann")
    assert (await store.members("ops"), await store.groups_of("ann"), await store.groups()) == ([], [], [changed])


async def test_what_there_is_not_is_not_found(database: Database) -> None:
    store = StoredGroups(database)
    async with database.begin() as tx:
        await store.put_group(tx, OPS)
    with pytest.raises(NotFound, match="group"):
        async with database.begin() as tx:
            await store.remove_group(tx, "no")
    with pytest.raises(NotFound, match="group"):
        async with database.begin() as tx:
            await store.add_members(tx, "no", [])
    with pytest.raises(NotFound, match="'ann'"):
        async with database.begin() as tx:
            await store.add_members(tx, "ops", ["ann"])
    with pytest.raises(NotFound):
        async with database.begin() as tx:
            await StoredPrincipals(database).remove_user(tx, "ann")
