"""Rights on single things and roles of the users' making, on both databases."""

from __future__ import annotations

import pytest

from tidemill.access.ports import CustomRole, Grant, Group, Tagged
from tidemill.core.errors import NotFound
from tidemill.storage.database import Database
from tidemill.storage.grants import StoredGrants, StoredRoles
from tidemill.storage.groups import StoredGroups
from tidemill.storage.tags import StoredTags

READ, RUN = (Grant("user", "ann", "workflow", "pick", right) for right in ("READ", "EXECUTE"))
OPS = Grant("group", "ops", "workflow", "pick", "READ")
TAG = Grant("user", "ann", "tag", "team:red", "READ")


async def test_grants(database: Database) -> None:
    store = StoredGrants(database)
    async with database.begin() as tx:
        await store.add(tx, [])
        await store.add(tx, [READ, TAG, OPS])
        await store.add(tx, [READ, RUN])
    assert await store.of([("user", "ann")]) == [TAG, RUN, READ]
    assert await store.of([("group", "ops"), ("user", "no\x00"), ("role", "ann")]) == [OPS]
    assert await store.of([]) == []
    assert await store.on("workflow", "pick") == [RUN, OPS, READ]
    assert await store.on("task", "pick") == []
    async with database.begin() as tx:
        await store.remove(tx, [])
        await store.remove(tx, [READ, Grant("user", "bob", "workflow", "pick", "READ")])
    assert await store.on("workflow", "pick") == [RUN, OPS]
    async with database.begin() as tx:
        await store.remove_thing(tx, "workflow", "pick")
    assert await store.of([("user", "ann"), ("group", "ops")]) == [TAG]
    async with database.begin() as tx:
        await store.remove_subject(tx, ("group", "ann"))
    assert await store.of([("user", "ann")]) == [TAG]
    async with database.begin() as tx:
        await store.remove_subject(tx, ("user", "ann"))
    assert await store.of([("user", "ann")]) == []


async def test_roles(database: Database) -> None:
    store = StoredRoles(database)
    picker = CustomRole("PICKER", ("READ_WORKFLOW_DEF",), ("workflow_def.read", "workflow.read"), 10, 10)
    other = CustomRole("OTHER", (), (), 10, 10)
    async with database.begin() as tx:
        await store.put(tx, picker)
        await store.put(tx, other)
    assert await store.roles() == [other, picker]
    assert await store.load(["PICKER", "NO\x00"]) == [picker]
    assert await store.load([]) == []
    changed = CustomRole("PICKER", ("workflow.start",), ("workflow.start",), 10, 20)
    async with database.begin() as tx:
        await store.put(tx, changed)
        await store.remove(tx, "OTHER")
    assert await store.roles() == [changed]
    with pytest.raises(NotFound):
        async with database.begin() as tx:
            await store.remove(tx, "OTHER")


async def test_things_by_their_tags(database: Database) -> None:
    store = StoredTags(database)
    red, blue = Tagged("workflow", "pick", "team", "red"), Tagged("secret", "k", "team", "blue")
    async with database.begin() as tx:
        await store.add(tx, [red, blue, Tagged("task", "pack", "color", "red")])
    assert await store.having([("team", "red"), ("team", "blue"), ("no\x00", "red")]) == [blue, red]
    assert await store.having([]) == []


async def test_what_a_group_gets_by_default(database: Database) -> None:
    store = StoredGroups(database)
    group = Group("ops", "Operations", ("USER",), 10, 10, {"workflow": ("READ", "EXECUTE")})
    async with database.begin() as tx:
        await store.put_group(tx, group)
    assert await store.group("ops") == group
