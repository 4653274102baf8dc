"""Secrets and tags: who may see what, what is stored, what the audit log says."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from structlog.testing import capture_logs

from tests.fakes.access import AccessRoom
from tidemill.access.named_secrets import VALUE_CHARACTERS_MAX
from tidemill.access.ports import KeptSecret
from tidemill.access.tags import TAGS_MAX, Tag
from tidemill.core.cipher import Cipher
from tidemill.core.errors import BadInput, NotFound

RED, BLUE = Tag("team", "red"), Tag("team", "blue")


async def test_a_secret_is_stored_encrypted_and_read_by_name(room: AccessRoom) -> None:
    await room.secrets.put("DB", "hunter2", "ann")
    await room.secrets.put("DB", "hunter3", "bob")
    assert "hunter" not in str(room.kept.by_name)
    assert await room.secrets.values(["DB", "other"]) == {"DB": "hunter3"}
    assert (await room.secrets.names(), await room.secrets.exists("DB")) == (["DB"], True)
    told = [(entry.principal, entry.action, entry.resource) for entry in room.log.entries]
    assert told == [("ann", "secret.put", "secret:DB"), ("bob", "secret.put", "secret:DB")]
    assert "hunter" not in str(room.log.entries)


@pytest.mark.parametrize("name", ["", "a b", "a}", "$x", "\u00e4", "x" * 201, "a/b"])
async def test_a_name_that_no_expression_can_name_is_refused(room: AccessRoom, name: str) -> None:
    with pytest.raises(BadInput):
        await room.secrets.put(name, "v", "ann")


@pytest.mark.parametrize("value", ["", "x" * (VALUE_CHARACTERS_MAX + 1)])
async def test_a_value_has_a_size(room: AccessRoom, value: str) -> None:
    with pytest.raises(BadInput) as refused:
        await room.secrets.put("DB", value, "ann")
    assert "xx" not in str(refused.value)


async def test_a_removed_secret_takes_its_tags_along(room: AccessRoom) -> None:
    await room.secrets.put("DB", "hunter2", "ann")
    await room.tags.replace("secret", "DB", [RED], "ann")
    await room.secrets.remove("DB", "ann")
    assert (await room.secrets.names(), await room.tags.of("secret", "DB")) == ([], [])
    with pytest.raises(NotFound):
        await room.secrets.check_exists("DB")
    with pytest.raises(NotFound):
        await room.secrets.remove("DB", "ann")


async def test_a_secret_of_another_key_is_missing_and_logged(room: AccessRoom) -> None:
    room.kept.by_name["old"] = KeptSecret("old", Cipher(Fernet.generate_key()).encrypt("hunter2"), "ann", 1)
    with capture_logs() as lines:
        assert await room.secrets.values(["old"]) == {}
    assert [line["event"] for line in lines] == ["secret cannot be read"]
    assert "hunter2" not in str(lines)


async def test_tags_are_added_replaced_and_taken_away(room: AccessRoom) -> None:
    await room.tags.add("workflow", "w", [RED, RED], "ann")
    await room.tags.add("workflow", "w", [BLUE], "ann")
    await room.tags.add("task", "w", [RED], "ann")
    assert await room.tags.of("workflow", "w") == [BLUE, RED]
    await room.tags.remove("workflow", "w", [BLUE, Tag("no", "such")], "ann")
    assert await room.tags.of_all("workflow") == {"w": [RED]}
    await room.tags.replace("workflow", "w", [BLUE], "ann")
    assert await room.tags.of("workflow", "w") == [BLUE]
    assert set(await room.tags.known()) == {BLUE, RED}
    await room.tags.forget("workflow", "w")
    assert (await room.tags.of("workflow", "w"), await room.tags.of("task", "w")) == ([], [RED])
    assert room.log.actions() == ["tag.add", "tag.add", "tag.add", "tag.remove", "tag.replace"]


async def test_tags_have_a_size_and_a_number(room: AccessRoom) -> None:
    with pytest.raises(BadInput) as refused:
        await room.tags.add("workflow", "w", [Tag("", "v"), Tag("k", "a\x00")], "ann")
    assert [finding.path for finding in refused.value.findings] == ["[0].key", "[1].value"]
    many = [Tag("k", str(number)) for number in range(TAGS_MAX)]
    await room.tags.replace("workflow", "w", many, "ann")
    with pytest.raises(BadInput, match=str(TAGS_MAX)):
        await room.tags.add("workflow", "w", [RED], "ann")
    await room.tags.add("workflow", "w", many[:1], "ann")
