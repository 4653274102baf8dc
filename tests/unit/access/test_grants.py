"""Rights on single things: what they allow, who may give them, and when they are gone."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from tests.fakes.access import AccessRoom
from tidemill.access import actions
from tidemill.access.actions import Action, Right
from tidemill.access.permission import may_on, may_somewhere
from tidemill.access.ports import Grant, GrantKind, Subject
from tidemill.access.principal import Principal
from tidemill.access.tags import Tag
from tidemill.core.errors import BadInput, Conflict, Forbidden, NotFound

ADMIN = Principal("admin", "Administrator", ("ADMIN",))
ANN: Subject = ("user", "ann")


async def ann_of(room: AccessRoom, *roles: str) -> Principal:
    if "ann" not in room.principals.user_by_id:
        await room.people.put_user("ann", "Ann", roles, ADMIN)
    return await room.access.principal("ann")


async def give(
    room: AccessRoom, kind: GrantKind, name: str, *rights: Right, subject: Subject = ANN, author: Principal = ADMIN
) -> None:
    await room.grants.give(subject, kind, name, rights, author)


def actions_of(principal: Principal, **things: str) -> set[str]:
    """What there is to be done to these, by this principal."""
    return {action.name for action in actions.ALL if may_on(principal, action, things)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "right", "allowed"),
    [
        ("workflow", "READ", {"workflow_def.read", "workflow.read", "task.read"}),
        ("workflow", "CREATE", {"workflow_def.create"}),
        ("workflow", "UPDATE", {"workflow_def.write"}),
        ("workflow", "DELETE", {"workflow_def.delete", "workflow.remove"}),
        ("workflow", "EXECUTE", {"workflow.start", "workflow.control", "task.update"}),
        ("task", "READ", {"task_def.read"}),
        ("task", "EXECUTE", {"task.read"}),
        ("event_handler", "DELETE", {"event_handler.delete"}),
        ("integration", "READ", {"integration.read"}),
        ("integration", "EXECUTE", {"integration.use", "integration.test"}),
        ("schema", "UPDATE", {"schema.write"}),
        ("secret", "READ", {"secret.read"}),
        ("secret", "EXECUTE", {"secret.use"}),
        ("application", "UPDATE", {"application.write"}),
        ("domain", "EXECUTE", {"task.read"}),
    ],
)
async def test_a_right_allows_what_it_says_on_that_thing_only(
    room: AccessRoom, kind: GrantKind, right: Right, allowed: set[str]
) -> None:
    await ann_of(room)
    await give(room, kind, "pick", right)
    ann = await ann_of(room)
    assert actions_of(ann, **{kind: "pick"}) == allowed
    assert actions_of(ann, **{kind: "other"}) == set()
    assert not any(action.name in allowed and not may_somewhere(ann, action) for action in actions.ALL)
    others = {"workflow", "task", "secret", "integration"} - {kind}
    assert actions_of(ann, **dict.fromkeys(others, "pick")) == set()


async def test_a_worker_needs_the_role_and_the_right(room: AccessRoom) -> None:
    await ann_of(room, "WORKER")
    ann = await ann_of(room)
    assert not may_on(ann, actions.TASK_POLL, {"task": "pack"})
    await give(room, "task", "pack", "EXECUTE")
    ann = await ann_of(room)
    assert may_on(ann, actions.TASK_POLL, {"task": "pack"})
    assert may_on(ann, actions.TASK_UPDATE, {"task": "pack", "workflow": "any"})
    assert not may_on(ann, actions.TASK_POLL, {"task": "other"})
    await give(room, "domain", "eu", "EXECUTE")
    ann = await ann_of(room)
    assert may_on(ann, actions.TASK_POLL, {"task": "other", "domain": "eu"})
    await room.people.put_user("ann", "Ann", ["USER_READ_ONLY"], ADMIN)
    assert not may_on(await ann_of(room), actions.TASK_POLL, {"task": "pack", "domain": "eu"})


async def test_rights_come_from_groups_and_roles_too(room: AccessRoom) -> None:
    await ann_of(room, "USER_READ_ONLY")
    await room.people.put_group("ops", "Operations", [], ADMIN)
    await room.people.add_members("ops", ["ann"], ADMIN)
    await give(room, "workflow", "pick", "EXECUTE", subject=("group", "ops"))
    await give(room, "workflow", "pack", "EXECUTE", subject=("role", "USER_READ_ONLY"))
    ann = await ann_of(room)
    assert may_on(ann, actions.WORKFLOW_START, {"workflow": "pick"})
    assert may_on(ann, actions.WORKFLOW_START, {"workflow": "pack"})
    await room.people.remove_members("ops", ["ann"], ADMIN)
    assert not may_on(await ann_of(room), actions.WORKFLOW_START, {"workflow": "pick"})


async def test_rights_on_a_tag_are_rights_on_what_has_it(room: AccessRoom) -> None:
    await ann_of(room)
    await give(room, "tag", "team:red", "READ")
    await room.tags.add("workflow", "pick", [Tag("team", "red")], "admin")
    await room.tags.add("secret", "k", [Tag("team", "red"), Tag("team", "blue")], "admin")
    ann = await ann_of(room)
    assert actions_of(ann, workflow="pick") == {"workflow_def.read", "workflow.read", "task.read"}
    assert actions_of(ann, secret="k") == {"secret.read"}
    await room.tags.remove("workflow", "pick", [Tag("team", "red")], "admin")
    assert actions_of(await ann_of(room), workflow="pick") == set()


async def test_changes_count_at_once_for_who_has_signed_in(room: AccessRoom) -> None:
    await ann_of(room)
    token = await room.access.token_for("ann")

    async def may_start() -> bool:
        return may_on(await room.access.authenticate(token), actions.WORKFLOW_START, {"workflow": "pick"})

    assert not await may_start()
    await give(room, "workflow", "pick", "EXECUTE")
    assert await may_start()
    await room.grants.take(ANN, "workflow", "pick", ["EXECUTE"], ADMIN)
    assert not await may_start()
    await give(room, "tag", "team:red", "EXECUTE")
    await room.tags.add("workflow", "pick", [Tag("team", "red")], "admin")
    assert await may_start()
    await room.tags.forget("workflow", "pick")
    assert not await may_start()
    assert room.log.actions().count("grant.give") == 2
    assert room.log.actions().count("grant.take") == 1


async def test_what_is_gone_takes_its_rights_along(room: AccessRoom) -> None:
    await ann_of(room)
    application = await room.applications.create("shop", ADMIN)
    await room.people.put_group("ops", "Operations", [], ADMIN)
    subjects: list[Subject] = [ANN, ("group", "ops"), ("user", f"app:{application.id}")]
    for subject in subjects:
        await give(room, "workflow", "pick", "READ", subject=subject)
    await give(room, "application", application.id, "READ")
    await room.people.remove_group("ops", ADMIN)
    await room.applications.remove(application.id, ADMIN)
    assert room.granted.rows == {Grant("user", "ann", "workflow", "pick", "READ")}
    await room.grants.forget("workflow", "pick")
    assert room.granted.rows == set()
    await give(room, "workflow", "pick", "READ")
    await room.people.remove_user("ann", ADMIN)
    assert room.granted.rows == set()


@pytest.mark.parametrize("subject", [("user", "no"), ("user", "app:no"), ("group", "no"), ("role", "NO")])
async def test_nobody_is_no_subject(room: AccessRoom, subject: Subject) -> None:
    with pytest.raises((NotFound, BadInput), match=r"no|NO"):
        await give(room, "workflow", "pick", "READ", subject=subject)
    assert room.granted.rows == set()


async def test_nobody_gives_a_right_that_they_have_not(room: AccessRoom) -> None:
    await ann_of(room)
    granter = Principal("bob", "Bob", ("WORKFLOW_MANAGER",), frozenset({"grant.write"}))
    await give(room, "workflow", "pick", "EXECUTE", "READ", author=granter)
    for kind, name, right in (("workflow", "pick", "UPDATE"), ("secret", "k", "EXECUTE"), ("tag", "a:b", "READ")):
        with pytest.raises(Forbidden):
            await give(room, kind, name, right, author=granter)  # type: ignore[arg-type]
    with pytest.raises(Forbidden):
        await room.grants.take(ANN, "secret", "k", ["READ"], granter)
    assert {grant.right for grant in room.granted.rows} == {"EXECUTE", "READ"}
    assert room.log.entries[-1].outcome == "refused"


async def test_nobody_takes_hold_of_somebody_who_has_rights_that_they_have_not(room: AccessRoom) -> None:
    manager = Principal("bob", "Bob", (), frozenset({"user.write", "user.read", "application.write"}))
    await room.people.put_user("ann", "Ann", [], manager)
    await room.people.put_group("ops", "Operations", [], manager)
    application = await room.applications.create("shop", manager)
    await room.applications.create_key(application.id, manager)
    subjects: list[Subject] = [ANN, ("group", "ops"), ("user", f"app:{application.id}")]
    for subject in subjects:
        await give(room, "secret", "k", "EXECUTE", subject=subject)
    with pytest.raises(Forbidden):
        await room.people.set_password("ann", "correct horse battery", manager)
    with pytest.raises(Forbidden):
        await room.people.add_members("ops", ["ann"], manager)
    with pytest.raises(Forbidden):
        await room.applications.create_key(application.id, manager)


async def test_a_creator_gets_all_rights_and_its_groups_theirs(room: AccessRoom) -> None:
    await ann_of(room, "USER")
    await room.people.put_group("ops", "Operations", [], ADMIN, {"workflow": ["READ", "EXECUTE"], "task": []})
    await room.people.add_members("ops", ["ann"], ADMIN)
    ann = await ann_of(room)
    await room.grants.created("workflow", "pick", ann, is_own=True)
    await room.grants.created("task", "pack", ann, is_own=False)
    grants = await room.grants.on("workflow", "pick")
    assert {grant.right for grant in grants if grant.subject == "ann"} == {
        "CREATE", "READ", "UPDATE", "DELETE", "EXECUTE",
    }  # fmt: skip
    assert {grant.right for grant in grants if grant.subject == "ops"} == {"READ", "EXECUTE"}
    assert await room.grants.on("task", "pack") == []
    await room.people.put_group("ops", "Other words", [], ADMIN)
    assert (await room.people.group("ops")).default_access == {"workflow": ("READ", "EXECUTE")}


async def test_nobody_lets_a_group_have_by_default_what_they_may_not(room: AccessRoom) -> None:
    manager = Principal("bob", "Bob", (), frozenset({"user.write"}))
    with pytest.raises(Forbidden):
        await room.people.put_group("ops", "Operations", [], manager, {"workflow": ["READ"]})


async def test_nobody_tags_their_way_up(room: AccessRoom) -> None:
    await ann_of(room)
    await give(room, "tag", "team:red", "EXECUTE")
    await give(room, "secret", "k", "UPDATE")
    ann = await ann_of(room)
    with pytest.raises(Forbidden):
        await room.grants.check_tagging(ann, "secret", "k", [Tag("team", "blue"), Tag("team", "red")])
    await room.grants.check_tagging(ann, "secret", "k", [Tag("team", "blue")])
    await give(room, "secret", "k", "EXECUTE")
    await room.grants.check_tagging(await ann_of(room), "secret", "k", [Tag("team", "red")])


def named(*names: str) -> Collection[Action]:
    return [action for action in actions.ALL if action.name in names]


async def test_custom_roles(room: AccessRoom) -> None:
    await room.roles.create("PICKER", ["workflow.start"], named("workflow.start"), ADMIN)
    await ann_of(room, "PICKER")
    assert may_on(await ann_of(room), actions.WORKFLOW_START, {"workflow": "any"})
    assert not may_on(await ann_of(room), actions.WORKFLOW_READ, {"workflow": "any"})
    await room.roles.replace("PICKER", ["workflow.read"], named("workflow.read"), ADMIN)
    assert not may_on(await ann_of(room), actions.WORKFLOW_START, {"workflow": "any"})
    assert may_on(await ann_of(room), actions.WORKFLOW_READ, {"workflow": "any"})
    with pytest.raises(Conflict, match="user ann"):
        await room.roles.remove("PICKER", ADMIN)
    await give(room, "workflow", "pick", "READ", subject=("role", "PICKER"))
    await room.people.remove_user("ann", ADMIN)
    await room.roles.remove("PICKER", ADMIN)
    assert (await room.roles.all(), room.granted.rows) == ([], set())
    assert {"role.create", "role.replace", "role.remove"} <= set(room.log.actions())


async def test_custom_roles_that_are_refused(room: AccessRoom) -> None:
    author = Principal("bob", "Bob", ("WORKFLOW_MANAGER",), frozenset({"role.write", "user.write"}))
    await room.roles.create("STRONG", ["audit.read"], named("audit.read"), ADMIN)
    for name in ("", "1", "a b", "x" * 101):
        with pytest.raises(BadInput):
            await room.roles.create(name, [], [], ADMIN)
    for name in ("ADMIN", "STRONG"):
        with pytest.raises(Conflict):
            await room.roles.create(name, [], [], ADMIN)
    with pytest.raises(NotFound):
        await room.roles.replace("NO", [], [], ADMIN)
    with pytest.raises(Forbidden):
        await room.roles.create("MINE", ["audit.read"], named("audit.read"), author)
    with pytest.raises(Forbidden):
        await room.roles.replace("STRONG", [], [], author)
    with pytest.raises(Forbidden):
        await room.people.put_user("ann", "Ann", ["STRONG"], author)
    with pytest.raises(BadInput, match="did you mean 'STRONG'"):
        await room.people.put_user("ann", "Ann", ["STRON"], ADMIN)
