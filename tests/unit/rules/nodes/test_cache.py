"""cacheSet, cacheGet and cacheDelete: through runs, and through the door."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.fakes.rules import RulesRoom, message
from tidemill.graph.message import Message
from tidemill.graph.node import End
from tidemill.rules.cache import KEY_MAX, MATCHES_MAX
from tidemill.rules.ports import CacheEntry, CacheKey


@pytest.fixture
def room() -> RulesRoom:
    return RulesRoom()


def put(key: str, value: Any, level: str = "chain", ttl: str = "") -> dict[str, Any]:
    return {"id": "set", "type": "cacheSet", "configuration": {"items": [item(key, value, level, ttl)]}}


def item(key: str, value: Any, level: str = "chain", ttl: str = "") -> dict[str, Any]:
    return {"level": level, "key": key, "value": value, "ttl": ttl}


def get(*keys: str, level: str = "chain", **more: Any) -> dict[str, Any]:
    wanted = [{"level": level, "key": key} for key in keys]
    return {"id": "get", "type": "cacheGet", "configuration": {"keys": wanted, **more}}


def drop(*keys: str, level: str = "chain") -> dict[str, Any]:
    wanted = [{"level": level, "key": key} for key in keys]
    return {"id": "drop", "type": "cacheDelete", "configuration": {"keys": wanted}}


def line(*nodes: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["id"], "Success", other["id"]) for one, other in itertools.pairwise(nodes)]


async def save(room: RulesRoom, chain: str, *nodes: dict[str, Any]) -> None:
    saved = await room.save(chain, nodes, line(*nodes))
    assert saved.findings == []


async def by_hand(room: RulesRoom, chain: str, sent: Message | None = None) -> End:
    """With all that it causes."""
    run = await room.hand.run(chain, sent or message())
    (end,) = run.ends
    return end


async def test_what_a_record_kept_the_next_one_gets_with_its_type(room: RulesRoom) -> None:
    await save(room, "a", put("last:${metadata.d}", "${msg.n}"))
    await save(room, "b", put("last:${metadata.d}", "${msg.n}"), get("last:${metadata.d}", "none"))
    assert (await by_hand(room, "b", message(d="1"))).message.data == b'{"last:1":1,"none":null}'
    await by_hand(room, "b", message(b'{"n":{"deep":[1.5,"x"]}}', d="2"))
    await save(room, "b", get("last:${metadata.d}"))
    assert (await by_hand(room, "b", message(d="2"))).message.data == b'{"last:2":{"deep":[1.5,"x"]}}'


async def test_nothing_is_kept_that_is_not_committed(room: RulesRoom) -> None:
    await save(room, "a", put("k", "v"))
    await room.run("a", message())
    assert room.cache.entries == {}
    await by_hand(room, "a")
    assert list(room.cache.entries) == [CacheKey("a", "k")]


async def test_a_run_sees_what_it_keeps_and_deletes(room: RulesRoom) -> None:
    room.cache.entries[CacheKey("a", "x1")] = CacheEntry("a", "x1", 2**62, b'"old"')
    again = {**get("*", outputMode=2), "id": "again"}
    await save(room, "a", put("x2", "new"), get("*", outputMode=1), drop("x*"), again)
    (seen,) = await room.run("a", message())
    (end,) = seen.ends
    assert (end.node, end.relation) == ("again", "Failure")
    assert end.message.data == b'{"n":1,"x1":"old","x2":"new"}'


async def test_other_messages_of_the_batch_do_not_see_it(room: RulesRoom) -> None:
    await save(room, "a", put("${metadata.k}", "v"), get("*"))
    first, second = await room.run("a", message(k="1"), message(k="2"))
    assert [result.ends[0].message.data for result in (first, second)] == [b'{"1":"v"}', b'{"2":"v"}']


async def test_a_batch_asks_the_store_once(room: RulesRoom) -> None:
    await save(room, "a", get("k", "x*", whenKeyNotFound="success"))
    await room.run("a", *[message() for _ in range(50)])
    assert room.cache.reads == 1


async def test_chains_have_their_own_and_share_the_global_one(room: RulesRoom) -> None:
    await save(room, "a", put("k", "of a"), {**put("k", "of all", "global"), "id": "all"})
    await by_hand(room, "a")
    await save(room, "b", get("k", whenKeyNotFound="success"), {**get("k", level="global"), "id": "shared"})
    (result,) = await room.run("b", message())
    assert result.ends[0].message.data == b'{"k":"of all"}'
    await save(room, "c", get("k"))
    (result,) = await room.run("c", message())
    assert result.ends[0].relation == "Failure"


async def test_time_ends_it(room: RulesRoom) -> None:
    await save(room, "a", put("k", "v", ttl="1m30s"))
    await save(room, "b", put("k", "v", "global", ttl="1m30s"), get("k", level="global"))
    await by_hand(room, "b")
    await save(room, "b", get("k", level="global"))
    room.clock.advance(89)
    assert (await by_hand(room, "b")).relation == "Success"
    room.clock.advance(2)
    assert (await by_hand(room, "b")).relation == "Failure"


@pytest.mark.parametrize(
    ("mode", "when", "relation"),
    [
        (0, "", "Success"),
        (1, "", "Success"),
        (2, "", "Failure"),
        (0, "failure", "Failure"),
        (1, "FAILURE", "Failure"),
        (2, "success", "Success"),
    ],
)
async def test_where_nothing_is_there(room: RulesRoom, mode: int, when: str, relation: str) -> None:
    await save(room, "a", get("k", outputMode=mode, whenKeyNotFound=when))
    assert (await by_hand(room, "a")).relation == relation


async def test_one_of_several_is_enough(room: RulesRoom) -> None:
    await save(room, "a", put("k", "v"), get("k", "none", outputMode=0))
    end = await by_hand(room, "a")
    assert (end.relation, end.message.metadata) == ("Success", {"k": "v", "none": ""})


async def test_metadata_get_texts(room: RulesRoom) -> None:
    items = [item("t", "x\u00e4"), item("n", "${msg.n}"), item("o", {"a": [1]}), item("z", None)]
    node = {"id": "set", "type": "cacheSet", "configuration": {"items": items}}
    await save(room, "a", node, get("t", "n", "o", "z", outputMode=0))
    end = await by_hand(room, "a")
    assert end.message.metadata == {"t": "x\u00e4", "n": "1", "o": '{"a":[1]}', "z": ""}


async def test_only_an_object_can_be_merged_into(room: RulesRoom) -> None:
    await save(room, "a", put("k", "v"), get("k", outputMode=1))
    for data in (b"[1]", b"no json"):
        end = await by_hand(room, "a", message(data))
        assert end.relation == "Failure" and "must be a JSON object" in (end.error or "")


async def test_wildcards_drop_what_begins_so_and_nothing_else(room: RulesRoom) -> None:
    for chain, key in (("a", "x:1"), ("a", "x:2"), ("a", "y"), ("b", "x:1"), ("", "x:1")):
        room.cache.entries[CacheKey(chain, key)] = CacheEntry(chain, key, 2**62, b"1")
    await save(room, "a", drop("x:*"))
    await by_hand(room, "a")
    assert set(room.cache.entries) == {CacheKey("a", "y"), CacheKey("b", "x:1"), CacheKey("", "x:1")}


async def test_the_last_word_on_a_key_counts(room: RulesRoom) -> None:
    await save(
        room,
        "a",
        put("k", 1),
        drop("*"),
        {**put("k", 2), "id": "set2"},
        {**put("l", 3), "id": "set3"},
        {**drop("l"), "id": "drop2"},
    )
    await by_hand(room, "a")
    assert [(place.key, entry.value) for place, entry in room.cache.entries.items()] == [("k", b"2")]


async def test_a_wildcard_finds_only_so_many(room: RulesRoom) -> None:
    for number in range(MATCHES_MAX + 1):
        key = f"k{number}"
        room.cache.entries[CacheKey("a", key)] = CacheEntry("a", key, 2**62, b"1")
    await save(room, "a", get("k*"))
    end = await by_hand(room, "a")
    assert end.relation == "Failure" and "more than 1,000 keys" in (end.error or "")


@pytest.mark.parametrize("key", ["", "a\x00b", "x" * (KEY_MAX + 1)])
async def test_what_is_no_key_fails_its_message_alone(room: RulesRoom, key: str) -> None:
    for node in (put("${metadata.k}", 1), get("${metadata.k}", whenKeyNotFound="success"), drop("${metadata.k}")):
        await save(room, "a", node)
        bad, good = await room.run("a", message(k=key), message(k="k"))
        assert (bad.ends[0].relation, good.ends[0].relation) == ("Failure", "Success")
        assert not bad.effects


async def test_a_value_has_a_largest_size(room: RulesRoom) -> None:
    await save(room, "a", put("k", "${msg}"))
    end = await by_hand(room, "a", message(b'"' + b"x" * 1_100_000 + b'"'))
    assert end.relation == "Failure" and "more than" in (end.error or "")


async def test_what_is_wrong_is_found_when_it_is_saved(room: RulesRoom) -> None:
    chain = await room.save("a", [
        {"id": "set", "type": "cacheSet", "configuration": {"items": [
            item("${1 +}", "v"), item("k", "${)}"), item("k", 1, ttl="soon"), item("k", 1, ttl="-1s")]}},
        {"id": "get", "type": "cacheGet", "configuration": {"keys": [{"level": "mine", "key": "k"}], "outputMode": 3}},
        {"id": "drop", "type": "cacheDelete", "configuration": {"keys": [{"key": ""}, {"key": "k", "tll": 1}]}},
    ])  # fmt: skip
    found = {finding.path.partition("nodes")[2] for finding in chain.findings if finding.level == "error"}
    assert found == {
        "[0].configuration.items[0].key",
        "[0].configuration.items[1].value",
        "[0].configuration.items[2].ttl",
        "[0].configuration.items[3].ttl",
        "[1].configuration.keys[0].level",
        "[1].configuration.outputMode",
        "[2].configuration.keys[0].key",
        "[2].configuration.keys[1].tll",
    }


async def test_without_a_configuration_they_are_rulegos(room: RulesRoom) -> None:
    await save(room, "a", {"id": "set", "type": "cacheSet"}, {"id": "get", "type": "cacheGet"})
    assert (await by_hand(room, "a")).message.data == b'{"key1":"value1"}'
