"""Users and groups: what members may, and that nobody climbs above themselves."""

from __future__ import annotations

import pytest

from tests.fakes.access import AccessRoom
from tidemill.access import actions
from tidemill.access.principal import Principal
from tidemill.access.service import FRESH_S
from tidemill.core.errors import BadInput, Conflict, Forbidden, NotFound, Unauthenticated

ADMIN = Principal("admin", "Administrator", ("ADMIN",))
CLERK = Principal("clerk", "Clerk", ("USER",))
PASSWORD = "correct horse battery"


async def test_a_user_signs_in_once_it_has_a_password(room: AccessRoom) -> None:
    await room.people.put_user("ann", "Ann", ["USER"], ADMIN)
    for guess in ("", PASSWORD):
        with pytest.raises(Unauthenticated):
            await room.access.sign_in_password("ann", guess)
    await room.people.set_password("ann", PASSWORD, ADMIN)
    principal = await room.access.authenticate(await room.access.sign_in_password("ann", PASSWORD))
    assert (principal.id, principal.roles) == ("ann", ("USER",))
    assert room.log.actions() == ["user.put", "sign_in", "user.password"]
    assert PASSWORD not in str(room.log.entries)


async def test_a_change_keeps_the_password_and_counts_at_once(room: AccessRoom) -> None:
    await room.people.put_user("ann", "Ann", ["USER"], ADMIN)
    await room.people.set_password("ann", PASSWORD, ADMIN)
    token = await room.access.sign_in_password("ann", PASSWORD)
    await room.access.authenticate(token)
    await room.people.put_user("ann", "Ann B.", [], ADMIN)
    principal = await room.access.authenticate(token)
    assert (principal.name, principal.roles) == ("Ann B.", ())
    await room.people.remove_user("ann", ADMIN)
    with pytest.raises(Unauthenticated):
        await room.access.authenticate(token)


async def test_members_have_the_roles_of_their_groups_beside_their_own(room: AccessRoom) -> None:
    await room.people.put_user("ann", "Ann", ["USER_READ_ONLY"], ADMIN)
    await room.people.set_password("ann", PASSWORD, ADMIN)
    token = await room.access.sign_in_password("ann", PASSWORD)
    await room.people.put_group("ops", "Operations", ["WORKFLOW_MANAGER"], ADMIN)
    with pytest.raises(Forbidden):
        await room.access.check(await room.access.authenticate(token), actions.WORKFLOW_CONTROL)
    await room.people.add_members("ops", ["ann"], ADMIN)
    await room.access.check(await room.access.authenticate(token), actions.WORKFLOW_CONTROL)
    assert [user.id for user in await room.people.members("ops")] == ["ann"]
    await room.people.remove_members("ops", ["ann"], ADMIN)
    with pytest.raises(Forbidden):
        await room.access.check(await room.access.authenticate(token), actions.WORKFLOW_CONTROL)
    await room.people.add_members("ops", ["ann"], ADMIN)
    await room.people.remove_group("ops", ADMIN)
    with pytest.raises(Forbidden):
        await room.access.check(await room.access.authenticate(token), actions.WORKFLOW_CONTROL)


async def test_what_another_worker_changed_counts_in_a_moment(room: AccessRoom) -> None:
    await room.people.put_user("ann", "Ann", [], ADMIN)
    await room.people.put_group("ops", "Operations", ["WORKFLOW_MANAGER"], ADMIN)
    await room.people.set_password("ann", PASSWORD, ADMIN)
    token = await room.access.sign_in_password("ann", PASSWORD)
    await room.access.authenticate(token)
    room.groups.member_ids.add(("ops", "ann"))
    room.clock.advance(FRESH_S + 0.1)
    assert (await room.access.authenticate(token)).roles == ("WORKFLOW_MANAGER",)


async def test_nobody_gives_or_takes_more_than_they_have(room: AccessRoom) -> None:
    await room.access.first_start()
    await room.people.put_user("ann", "Ann", ["USER"], ADMIN)
    await room.people.put_group("heads", "Heads", ["ADMIN"], ADMIN)
    await room.people.put_group("all", "All", ["USER"], ADMIN)
    await room.people.put_user("eve", "Eve", [], ADMIN)
    await room.people.add_members("heads", ["eve"], ADMIN)
    for attempt in (
        room.people.put_user("clerk", "Clerk", ["ADMIN"], CLERK),
        room.people.put_user("admin", "Nobody", [], CLERK),
        room.people.set_password("admin", PASSWORD, CLERK),
        room.people.set_password("eve", PASSWORD, CLERK),
        room.people.remove_user("eve", CLERK),
        room.people.put_group("new", "New", ["ADMIN"], CLERK),
        room.people.put_group("heads", "Heads", [], CLERK),
        room.people.add_members("heads", ["clerk"], CLERK),
        room.people.remove_members("heads", ["eve"], CLERK),
        room.people.remove_group("heads", CLERK),
    ):
        with pytest.raises(Forbidden):
            await attempt
    await room.people.add_members("all", ["ann"], CLERK)
    await room.people.put_user("ann", "Ann", [], CLERK)
    assert [user.id for user in await room.people.members("heads")] == ["eve"]


async def test_the_last_admin_stays(room: AccessRoom) -> None:
    await room.access.first_start()
    for attempt in (room.people.remove_user("admin", ADMIN), room.people.put_user("admin", "A", ["USER"], ADMIN)):
        with pytest.raises(Conflict, match="last"):
            await attempt
    await room.people.put_user("ann", "Ann", ["ADMIN"], ADMIN)
    await room.people.remove_user("admin", ADMIN)
    assert [user.id for user in await room.people.users()] == ["ann"]


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb", "app:17"])
async def test_an_id_is_short_and_no_application(room: AccessRoom, name: str) -> None:
    for attempt in (room.people.put_user(name, "N", [], ADMIN), room.people.put_group(name, "N", [], ADMIN)):
        with pytest.raises(BadInput):
            await attempt


async def test_what_there_is_not_is_said(room: AccessRoom) -> None:
    with pytest.raises(BadInput, match="did you mean 'USER'"):
        await room.people.put_user("ann", "Ann", ["USR"], ADMIN)
    with pytest.raises(BadInput, match="12 to"):
        await room.people.set_password("admin", "short", ADMIN)
    await room.people.put_group("ops", "Operations", [], ADMIN)
    for attempt in (
        room.people.user("no"),
        room.people.group("no"),
        room.people.members("no"),
        room.people.remove_user("no", ADMIN),
        room.people.remove_group("no", ADMIN),
        room.people.set_password("no", PASSWORD, ADMIN),
        room.people.add_members("no", [], ADMIN),
        room.people.add_members("ops", ["no"], ADMIN),
    ):
        with pytest.raises(NotFound):
            await attempt
