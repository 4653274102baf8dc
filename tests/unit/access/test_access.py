"""Signing in, tokens, and who may do what."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.access import AccessRoom
from tidemill.access import actions
from tidemill.access.principal import Principal
from tidemill.access.service import FRESH_S
from tidemill.access.tokens import Claims, TokenSigner
from tidemill.core.errors import BadInput, Forbidden, NotFound, Unauthenticated

ADMIN = Principal("admin", "Administrator", ("ADMIN",))


async def key_of(room: AccessRoom, *roles: str) -> tuple[str, str, str]:
    """(application, key, secret)"""
    application = await room.applications.create("orders", ADMIN)
    for role in roles:
        await room.applications.add_role(application.id, role, ADMIN)
    key, secret = await room.applications.create_key(application.id, ADMIN)
    return application.id, key.id, secret


async def test_first_start_makes_admin_once(room: AccessRoom) -> None:
    password = await room.access.first_start()
    assert password is not None
    assert await room.access.first_start() is None
    token = await room.access.sign_in_password("admin", password)
    principal = await room.access.authenticate(token)
    await room.access.check(principal, actions.AUDIT_READ)
    assert password not in str(room.principals.user_by_id)


@pytest.mark.parametrize(("user", "password"), [("admin", "wrong"), ("nobody", "wrong")])
async def test_wrong_password_says_nothing_of_which_half(room: AccessRoom, user: str, password: str) -> None:
    await room.access.first_start()
    with pytest.raises(Unauthenticated, match="unknown name or wrong secret"):
        await room.access.sign_in_password(user, password)
    assert room.log.entries[-1].outcome == "refused"


async def test_guessing_names_is_one_entry_a_minute(room: AccessRoom) -> None:
    for number in range(5):
        with pytest.raises(Unauthenticated):
            await room.access.sign_in_key(f"guess-{number}", "x")
    assert [entry.resource for entry in room.log.entries] == ["key"]


async def test_new_password_voids_tokens(room: AccessRoom) -> None:
    await room.access.first_start()
    token = await room.access.token_for("admin")
    await room.access.authenticate(token)
    await room.access.set_password("admin", "another", "admin")
    with pytest.raises(Unauthenticated):
        await room.access.authenticate(token)
    await room.access.authenticate(await room.access.sign_in_password("admin", "another"))


async def test_key_signs_in_as_its_application(room: AccessRoom) -> None:
    application, key, secret = await key_of(room, "UNRESTRICTED_WORKER")
    principal = await room.access.authenticate(await room.access.sign_in_key(key, secret))
    assert (principal.id, principal.roles) == (f"app:{application}", ("UNRESTRICTED_WORKER",))
    await room.access.check(principal, actions.TASK_POLL)
    with pytest.raises(Forbidden):
        await room.access.check(principal, actions.WORKFLOW_START)
    assert secret not in str(room.principals.key_by_id)


async def test_key_that_is_off_voids_its_tokens_at_once_and_on_opens_again(room: AccessRoom) -> None:
    application, key, secret = await key_of(room, "WORKER")
    token = await room.access.sign_in_key(key, secret)
    await room.access.authenticate(token)
    await room.applications.toggle_key(application, key, ADMIN)
    with pytest.raises(Unauthenticated):
        await room.access.authenticate(token)
    with pytest.raises(Unauthenticated):
        await room.access.sign_in_key(key, secret)
    await room.applications.toggle_key(application, key, ADMIN)
    await room.access.authenticate(token)


async def test_key_removed_by_another_worker_counts_within_seconds(room: AccessRoom) -> None:
    _, key, secret = await key_of(room, "WORKER")
    token = await room.access.sign_in_key(key, secret)
    await room.access.authenticate(token)
    del room.principals.key_by_id[key]
    room.clock.advance(FRESH_S)
    with pytest.raises(Unauthenticated):
        await room.access.authenticate(token)


async def test_fresh_token_asks_the_database_once(room: AccessRoom) -> None:
    _, key, secret = await key_of(room, "WORKER")
    token = await room.access.sign_in_key(key, secret)
    await room.access.authenticate(token)
    reads = room.principals.reads
    for _ in range(10):
        await room.access.authenticate(token)
    assert room.principals.reads == reads


async def test_many_with_a_stale_token_ask_the_database_once(room: AccessRoom) -> None:
    await room.access.first_start()
    token = await room.access.token_for("admin")
    reads = room.principals.reads
    found = await asyncio.gather(*(room.access.authenticate(token) for _ in range(50)))
    assert {principal.id for principal in found} == {"admin"}
    assert room.principals.reads - reads == 1


async def test_token_expires_also_while_it_is_cached(room: AccessRoom) -> None:
    _, key, secret = await key_of(room, "WORKER")
    token = await room.access.sign_in_key(key, secret)
    room.clock.advance(24 * 3600 - 1)
    await room.access.authenticate(token)
    room.clock.advance(1)
    with pytest.raises(Unauthenticated) as caught:
        await room.access.authenticate(token)
    assert caught.value.code == "EXPIRED_TOKEN"


@pytest.mark.parametrize("token", ["", "rubbish", "a.b.c"])
async def test_rubbish_is_no_token(room: AccessRoom, token: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await room.access.authenticate(token)
    assert caught.value.code == "INVALID_TOKEN"


async def test_token_of_another_signer_is_refused(room: AccessRoom) -> None:
    await room.access.first_start()
    now_s = room.clock.now_ms() // 1000
    forged = TokenSigner(b"x" * 32).sign(Claims("admin", now_s + 60, generation=1), now_s)
    with pytest.raises(Unauthenticated):
        await room.access.authenticate(forged)


async def test_principal_without_role_may_nothing(room: AccessRoom) -> None:
    nobody = Principal("app:1", "nobody", ())
    for action in actions.ALL - {actions.PUBLIC, actions.SIGNED_IN}:
        with pytest.raises(Forbidden):
            await room.access.check(nobody, action)


async def test_unknown_role_is_refused_with_a_suggestion(room: AccessRoom) -> None:
    application, _, _ = await key_of(room)
    with pytest.raises(BadInput, match="did you mean 'WORKER'"):
        await room.applications.add_role(application, "WORKERS", ADMIN)


async def test_nobody_gives_away_more_than_they_have(room: AccessRoom) -> None:
    manager = Principal("app:manager", "manager", ("APPLICATION_MANAGER",))
    application = await room.applications.create("climber", manager)
    with pytest.raises(Forbidden):
        await room.applications.add_role(application.id, "ADMIN", manager)
    await room.applications.add_role(application.id, "ADMIN", ADMIN)
    with pytest.raises(Forbidden):
        await room.applications.create_key(application.id, manager)
    assert room.log.actions().count("role.grant") == 1


async def test_removed_application_takes_its_keys_along(room: AccessRoom) -> None:
    application, key, secret = await key_of(room, "WORKER")
    token = await room.access.sign_in_key(key, secret)
    await room.applications.remove(application, ADMIN)
    with pytest.raises(Unauthenticated):
        await room.access.authenticate(token)
    with pytest.raises(NotFound):
        await room.applications.keys(application)


async def test_every_change_is_in_the_audit_log(room: AccessRoom) -> None:
    application, key, _ = await key_of(room, "WORKER")
    await room.applications.rename(application, "invoices", ADMIN)
    await room.applications.remove_role(application, "WORKER", ADMIN)
    await room.applications.toggle_key(application, key, ADMIN)
    await room.applications.remove_key(application, key, ADMIN)
    await room.applications.remove(application, ADMIN)
    assert room.log.actions() == [
        "application.create",
        "role.grant:WORKER",
        "key.create",
        "application.rename",
        "role.revoke:WORKER",
        "key.disable",
        "key.remove",
        "application.remove",
    ]


async def test_repeated_refusals_are_counted_not_written(room: AccessRoom) -> None:
    nobody = Principal("app:1", "nobody", ())
    for _ in range(5):
        with pytest.raises(Forbidden):
            await room.access.check(nobody, actions.TASK_POLL)
    assert len(room.log.entries) == 1
    room.clock.advance(61)
    with pytest.raises(Forbidden):
        await room.access.check(nobody, actions.TASK_POLL)
    assert room.log.entries[-1].detail["repeats"] == "4"
