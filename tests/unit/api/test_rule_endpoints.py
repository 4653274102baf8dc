"""HTTP endpoints of chains: who may call which path how, what the chain gets, and what comes back and is stored."""

from __future__ import annotations

from typing import Any

import pytest

import tidemill
from tests.fakes.api import ApiRoom
from tests.unit.api.test_guard import token_with
from tests.unit.rules.endpoints.kafka_room import BROKEN, OUT, chain_with
from tidemill.rules.endpoints import processors
from tidemill.rules.endpoints.builtin import BUILT_IN
from tidemill.rules.endpoints.exchange import Exchange
from tidemill.rules.plugged import Plugged

Json = dict[str, Any]
ROUTER = "metadata.endpoints[0].routers[0]"


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "PROCESSORS", Plugged("processor", processors.GROUP, BUILT_IN))


def http(
    path: str,
    *after: str,
    before: tuple[str, ...] = (),
    to: str = "",
    params: Any = ("POST",),
    **configuration: Any,
) -> Json:
    router = {
        "params": list(params),
        "from": {"path": path, "processors": list(before)},
        "to": {"path": to, "processors": list(after)},
    }
    return {"id": "h", "type": "endpoint/http", "configuration": configuration, "routers": [router]}


async def put(room: ApiRoom, *endpoints: Json, id_: str = "c", nodes: Any = (OUT,), **about: Any) -> list[Any]:
    chain = await room.rules.parts.catalog.save(id_, chain_with(*endpoints, nodes=nodes, **about), "anna")
    return [(each.path, each.kind, each.level) for each in chain.findings]


def stored(room: ApiRoom) -> list[Any]:
    return [(each.topic, each.value) for each in room.rules.outbox.added]


async def test_the_response_is_what_the_processors_make_of_the_end(room: ApiRoom) -> None:
    assert await put(room, http("/in", "responseToBody")) == []
    answer = await room.client.post("/api/v1/endpoints/in", json={"n": 1})
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b'{"n":1}', "application/json")
    assert stored(room) == [("out", b'{"n":1}')]


async def test_without_processors_it_is_empty_and_done(room: ApiRoom) -> None:
    await put(room, http("/in"))
    answer = await room.client.post("/api/v1/endpoints/in", content=b"text")
    assert (answer.status_code, answer.content) == (200, b"")
    assert len(stored(room)) == 1


async def test_path_and_query_become_metadata_and_headers_by_name(room: ApiRoom) -> None:
    key = "${metadata.id}-${metadata.rest}-${metadata.q}-${metadata['x-color']}-${msgType}-${dataType}"
    node = {**OUT, "configuration": {"server": "shop", "topic": "out", "key": key}}
    await put(room, http("/d/:id/{kind}/*rest", before=("headersToMetadata",), params=("put",)), nodes=[node])
    headers = {"x-color": "red", "content-type": "text/plain"}
    answer = await room.client.put("/api/v1/endpoints/d/7/k/a/b?q=1&id=8", content=b"x", headers=headers)
    assert answer.status_code == 200
    (publication,) = room.rules.outbox.added
    assert publication.key == b"7-a/b-1-red-/d/:id/{kind}/*rest-TEXT"


async def test_tokens_are_not_seen_by_chains(room: ApiRoom) -> None:
    seen: list[dict[str, str]] = []
    tidemill.processor("spy")(lambda exchange: seen.append(exchange.in_.headers))
    await put(room, http("/in", before=("spy",)))
    await room.client.post("/api/v1/endpoints/in", headers={"cookie": "c"})
    assert not {"authorization", "x-authorization", "cookie"} & {name.lower() for name in seen[0]}


async def test_a_get_has_its_query_as_data(room: ApiRoom) -> None:
    await put(room, http("/in", "responseToBody", params=("GET",)))
    assert (await room.client.get("/api/v1/endpoints/in?a=1")).json() == {"a": "1"}


async def test_the_most_particular_path_wins_and_each_method_has_its_own(room: ApiRoom) -> None:
    def saying(name: str) -> None:
        @tidemill.processor(name)
        def say(exchange: Exchange) -> None:
            exchange.out.body = name

    for name in ("all", "one", "text", "got"):
        saying(name)
    await put(room, http("/a/*all", "all"), id_="a")
    await put(room, http("/a/:one", "one"), id_="b")
    await put(room, http("/a/text", "text"), id_="c")
    await put(room, http("/a/text", "got", params=("GET",)), id_="d")
    paths = ("a/text", "a/x", "a/x/y")
    assert [(await room.client.post(f"/api/v1/endpoints/{path}")).text for path in paths] == ["text", "one", "all"]
    assert (await room.client.get("/api/v1/endpoints/a/text")).text == "got"
    assert (await room.client.delete("/api/v1/endpoints/a/text")).status_code == 404
    assert (await room.client.post("/api/v1/endpoints/b")).status_code == 404


async def test_default_deny_and_anonymous_where_the_endpoint_says_so(room: ApiRoom) -> None:
    await put(room, http("/closed"), id_="closed")
    await put(room, http("/open", anonymous=True), id_="open")

    async def status(path: str, *roles: str, has_token: bool = True) -> int:
        headers = {"X-Authorization": await token_with(room, *roles)} if has_token else {}
        async with room.client_with(headers) as client:
            return (await client.post(path)).status_code

    assert await status("/api/v1/endpoints/closed", has_token=False) == 401
    assert await status("/api/v1/endpoints/open", has_token=False) == 401
    assert await status("/api/v1/open/open", has_token=False) == 200
    assert await status("/api/v1/open/closed", has_token=False) == 404
    assert await status("/api/v1/endpoints/closed", "USER_READ_ONLY") == 403
    assert await status("/api/v1/endpoints/closed", "USER") == 200


async def test_a_failure_happens_not_at_all_and_is_told(room: ApiRoom) -> None:
    edges = [("a", "Success", "out")]
    nodes = [{**OUT, "id": "a"}, BROKEN]
    for id_, after in (("plain", ()), ("told", ("responseToBody",))):
        document = chain_with(http(f"/{id_}", *after), nodes=nodes, edges=edges)
        await room.rules.parts.catalog.save(id_, document, "anna")
        answer = await room.client.post(f"/api/v1/endpoints/{id_}")
        assert answer.status_code == 400
        assert "cannot get here" in answer.text
    assert stored(room) == []


async def test_a_processor_may_set_the_status_and_stop(room: ApiRoom) -> None:
    @tidemill.processor("door")
    def door(exchange: Exchange) -> bool:
        exchange.out.status = 402
        exchange.out.body = "pay first"
        exchange.out.headers |= {"X-Price": "7", "Connection": "x"}
        exchange.out.headers |= {"Bad\r\nHeader": "x", "X-Split": "a\r\nSet-Cookie: b"}
        return False

    await put(room, http("/in", before=("door",)))
    answer = await room.client.post("/api/v1/endpoints/in")
    assert (answer.status_code, answer.text, answer.headers["x-price"]) == (402, "pay first", "7")
    assert not {"x-split", "set-cookie", "connection"} & set(answer.headers)
    assert stored(room) == []


async def test_a_processor_that_raises_is_that_requests_failure(room: ApiRoom) -> None:
    tidemill.processor("broken")(lambda exchange: 1 / 0)
    await put(room, http("/in", before=("broken",)))
    answer = await room.client.post("/api/v1/endpoints/in")
    assert (answer.status_code, "ZeroDivisionError" in answer.text) == (400, True)


async def test_a_chain_that_cannot_run_is_away(room: ApiRoom) -> None:
    await put(room, http("/in", to="other"))
    assert (await room.client.post("/api/v1/endpoints/in")).status_code == 503
    await put(room, http("/in"), disabled=True)
    assert (await room.client.post("/api/v1/endpoints/in")).status_code == 404


async def test_the_body_is_bounded(room: ApiRoom) -> None:
    await put(room, http("/in", anonymous=True))
    assert (await room.client.post("/api/v1/endpoints/in", content=b"x" * 100_001)).status_code == 413


async def test_what_is_wrong_is_found_and_what_rulego_says_is_understood(room: ApiRoom) -> None:
    wrong = http("/a/*b/c/:", params=("FETCH", 7), anonymus=True)
    assert await put(room, wrong) == [
        ("metadata.endpoints[0].configuration.anonymus", "unknown_key", "error"),
        (f"{ROUTER}.from.path", "invalid", "error"),
        (f"{ROUTER}.from.path", "invalid", "error"),
        (f"{ROUTER}.params[0]", "invalid", "error"),
        (f"{ROUTER}.params[1]", "invalid", "error"),
    ]
    assert await put(room, http("/a", server=":6333", allowCors=True)) == [
        ("metadata.endpoints[0].configuration.server", "not_supported", "warning")
    ]
