"""Schemas: versions, findings, removal."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.definitions import MemoryDefinitions
from tests.fakes.sandbox import FakeSandbox
from tidemill.core.clock import HeldClock
from tidemill.core.codec import from_json
from tidemill.core.definitions import Definition
from tidemill.core.errors import BadInput, Conflict, NotFound
from tidemill.workflows.schemas import Schemas

ORDER = {"name": "order", "type": "JSON", "data": {"type": "object"}}


@pytest.fixture
def schemas() -> Schemas:
    return Schemas(MemoryDefinitions(), FakeSandbox(), HeldClock())


async def test_a_schema_is_saved_at_its_version_or_as_a_new_one(schemas: Schemas) -> None:
    await schemas.save([{**ORDER, "version": 3, "createdBy": None}], "ann")
    await schemas.save([ORDER], "ann", is_new_version=True)
    await schemas.save([{**ORDER, "version": 3, "data": {"type": "array"}}], "bob")
    assert [(each["name"], each["version"]) for each in await schemas.all()] == [("order", 3), ("order", 4)]
    assert (await schemas.get("order"))["version"] == 4
    third = await schemas.get("order", 3)
    assert (third["data"], third["createdBy"], third["updatedBy"]) == ({"type": "array"}, "ann", "bob")
    await schemas.save([{**ORDER, "name": "new"}], "ann", is_new_version=True)
    assert (await schemas.get("new"))["version"] == 1


async def test_schemas_are_removed_one_by_one_or_all(schemas: Schemas) -> None:
    await schemas.save([{**ORDER, "version": version} for version in (1, 2, 3)], "ann")
    await schemas.remove("order", 2, "ann")
    assert [each["version"] for each in await schemas.all()] == [1, 3]
    await schemas.remove_all("order", "ann")
    for call in (schemas.get("order"), schemas.remove("order", 1, "ann"), schemas.remove_all("order", "ann")):
        with pytest.raises(NotFound):
            await call


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        (5, [""]),
        ({}, ["name"]),
        ({**ORDER, "type": "XML", "version": 0, "data": 5}, ["version", "type", "data"]),
        ({**ORDER, "name": "x" * 300}, ["name"]),
    ],
)
async def test_what_is_no_schema_stores_nothing_and_tells_everything(
    schemas: Schemas, document: Any, paths: list[str]
) -> None:
    with pytest.raises(BadInput) as refused:
        await schemas.save([ORDER, document], "ann")
    assert [finding.path for finding in refused.value.findings if finding.level == "error"] == paths
    assert await schemas.all() == []


async def test_a_schema_that_says_nothing_is_kept_with_a_finding(schemas: Schemas) -> None:
    (saved,) = await schemas.save([{"name": "empty", "typ": "JSON"}], "ann")
    assert [finding["path"] for finding in from_json(saved.findings)] == ["data", "typ"]


async def test_two_who_add_a_version_at_once_get_two(schemas: Schemas, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number that the first try has chosen is taken by somebody else meanwhile."""
    store = schemas._store
    put = store.put
    taken: list[Definition] = []

    async def put_after_another(*args: Any, **options: Any) -> Definition:
        if not taken:
            taken.append(await put(*args, **options))
        return await put(*args, **options)

    monkeypatch.setattr(store, "put", put_after_another)
    (saved,) = await schemas.save([ORDER], "ann", is_new_version=True)
    assert (taken[0].version, saved.version) == (1, 2)


async def test_a_number_that_is_always_taken_is_a_conflict(schemas: Schemas, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*args: Any, **options: Any) -> Definition:
        raise Conflict("exists already")

    monkeypatch.setattr(schemas._store, "put", refuse)
    with pytest.raises(Conflict, match="try again"):
        await schemas.save([ORDER], "ann", is_new_version=True)
