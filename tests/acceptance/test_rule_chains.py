"""A rule chain from file to served endpoint, as a user does it: with the API's calls, records, and the commands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions
from typer.testing import CliRunner, Result

from tests.acceptance.shop import Shop
from tests.acceptance.test_cli import tidemill as alone
from tests.parts.server import wait_for
from tidemill.cli.demo.process import ServerProcess
from tidemill.cli.main import command_line

EXAMPLE = Path(__file__).parents[2] / "examples" / "rulego" / "kafka-endpoint.json"


def tidemill(*arguments: str, signed_in: Mapping[str, str]) -> Result:
    """A command in this process: starting one takes longer than most of them."""
    return CliRunner(env={**signed_in, "COLUMNS": "200"}).invoke(command_line(["chain"]), arguments)


@pytest.fixture(scope="module")
def shop(server: ServerProcess) -> Iterator[Shop]:
    with Shop(server) as shop:
        yield shop


@pytest.fixture(scope="module")
def signed_in(server: ServerProcess) -> Mapping[str, str]:
    return {"TIDEMILL_URL": server.url, "TIDEMILL_TOKEN": server.token}


@pytest.fixture(scope="module")
def chain(shop: Shop, signed_in: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The example, between topics of the shop; saved by the command."""
    text = EXAMPLE.read_text().replace('"embedded"', json.dumps(shop.name)).replace('"rulego"', f'"g-{shop.mark}"')
    file = tmp_path_factory.mktemp("chains") / "readings.json"
    file.write_text(text)
    shop.create_topic("warm-readings")  # who reads a topic before it is there, reads no partition of it
    done = tidemill("chain", "save", str(file), signed_in=signed_in)
    assert (done.exit_code, done.stdout) == (0, "readings: saved\n"), done
    return "readings"


def test_from_topic_to_topic_and_every_record_says_its_way(
    shop: Shop, chain: str, signed_in: Mapping[str, str]
) -> None:
    readings = [{"device": "a", "temperature": 30}, {"device": "b", "temperature": 3}, {"device": "c"}, None]
    bodies = [json.dumps(reading).encode() for reading in readings]
    offsets = shop.produce(*bodies, topic="readings")
    path = f"/api/tidemill/trace/{shop.name}/readings/0"
    traces = [wait_for(lambda at=at: traced(shop, f"{path}/{at}")) for at in offsets]  # type: ignore[misc]
    routes = [trace["routes"][0] for trace in traces]
    assert [route["outcome"] for route in routes] == ["done", "done", "done", "invalid"]
    warm = {"ends": [{"way": [["is_warm", "True"], ["mark", "Success"], ["to_kafka", "Success"]]}]}
    assert routes[0]["detail"] == {**warm, "published": [f"{shop.name}:warm-readings"]}
    assert routes[3]["reason"].startswith("is_warm: TypeError")
    assert routes[3]["deadLetter"]["state"] == "open"

    assert devices(shop, 1) == ["a"]
    said = alone("trace", shop.name, "readings", "0", str(offsets[0]), **signed_in).stdout
    assert "is_warm True → mark Success → to_kafka Success" in said
    (place,) = shop.server.api.get(f"{path}/{offsets[0]}")["routes"][0]["publications"]
    assert (place["integration"], place["topic"], place["offset"]) == (shop.name, "warm-readings", 0)
    assert f"published record {shop.name} warm-readings {place['partition']} 0" in said
    (router,) = shop.server.api.get(f"/api/tidemill/rules/{chain}/records")
    assert [record["outcome"] for record in router["records"]] == ["invalid", "done", "done", "done"]


def devices(shop: Shop, count: int) -> list[str]:
    """Whose warm readings have come out."""
    return sorted(json.loads(value or b"")["device"] for value in shop.published("warm-readings", count))


def traced(shop: Shop, path: str) -> Any:
    found = shop.server.api.get(path)
    return found if found["routes"] else None


def test_what_rulegos_editor_calls(shop: Shop, chain: str) -> None:
    http = shop.http
    assert http.get("/api/v1/rules?keywords=readings").json()["total"] == 1
    assert http.get(f"/api/v1/rules/{chain}").json()["ruleChain"]["id"] == chain
    assert wait_for(lambda: http.get(f"/api/v1/rules/{chain}/status").json()["from_kafka"]["status"] == "connected")
    nodes = {form["type"]: form for form in http.get("/api/v1/components").json()["nodes"]}
    assert nodes["jsFilter"]["relationTypes"] == ["True", "False", "Failure"]
    answer = http.post(f"/api/v1/rules/{chain}/execute/T", json={"device": "d", "temperature": 31})
    assert answer.json() == {"device": "d", "temperature": 31, "unit": "C"}
    assert devices(shop, 2) == ["a", "d"]
    failed = http.post(f"/api/v1/rules/{chain}/execute/T", content=b"null")
    assert (failed.status_code, failed.text.startswith("is_warm: TypeError")) == (400, True)
    assert http.post("/api/v1/rules/nobody/execute/T", json={}).text == "there is no chain 'nobody'"


def test_debug_mode_from_the_command_line(shop: Shop, chain: str, signed_in: Mapping[str, str]) -> None:
    done = tidemill("chain", "debug", chain, "--on", "--node", "is_warm", signed_in=signed_in)
    assert (done.exit_code, done.stderr) == (0, "")
    assert re.fullmatch(rf"{chain}: debug mode is on until \d\d:\d\d:\d\d UTC\n", done.stdout)
    shop.http.post(f"/api/v1/rules/{chain}/notify/T", json={"device": "e", "temperature": 1})
    lines = tidemill("chain", "debug", chain, signed_in=signed_in).stdout.splitlines()
    shown = [line.partition(" ")[2] for line in lines if '"e"' in line]
    assert shown == [
        'is_warm In {"device":"e","temperature":1}',
        'is_warm Out False {"device":"e","temperature":1}',
        'log_cold Log cold: {"device":"e","temperature":1}',
    ]
    off = tidemill("chain", "debug", chain, "--off", "--json", signed_in=signed_in)
    assert (off.exit_code, json.loads(off.stdout)) == (0, {"until": None})
    listed = json.loads(tidemill("chain", "list", "--json", signed_in=signed_in).stdout)
    assert [(each["id"], each["save"], each["isAvailable"]) for each in listed] == [(chain, 3, True)]
    assert "at work" in tidemill("chain", "list", signed_in=signed_in).stdout
    document = json.loads(tidemill("chain", "show", chain, signed_in=signed_in).stdout)
    assert document["metadata"]["nodes"][0]["id"] == "is_warm"


def test_nodes_are_counted_by_the_metrics(shop: Shop, chain: str) -> None:
    text = shop.http.get("/metrics").text
    counted = [line for line in text.splitlines() if line.startswith("tidemill_node_messages_total")]
    assert any('chain="readings",node="is_warm"' in line for line in counted)


def test_a_chain_that_cannot_run_is_saved_and_says_so(tmp_path: Path, signed_in: Mapping[str, str]) -> None:
    file = tmp_path / "odd.json"
    file.write_text('{"metadata": {"nodes": [{"id": "a", "type": "jsFiltr"}]}}')
    done = tidemill("chain", "save", str(file), signed_in=signed_in)
    assert done.exit_code == 2
    assert "did you mean 'jsFilter'?" in done.stdout
    assert done.stdout.endswith("odd: saved, and cannot run\n")


def test_a_message_waits_for_the_broker_and_for_its_time(shop: Shop) -> None:
    def node(id_: str, type_: str, **configuration: Any) -> dict[str, Any]:
        return {"id": id_, "type": type_, "configuration": configuration}

    def edge(origin: str, relation: str, target: str) -> dict[str, str]:
        return {"fromId": origin, "type": relation, "toId": target}

    for topic in ("slow", "sent", "joined"):
        shop.create_topic(topic)
    nodes = [
        node("fork", "fork"),
        node("sent", "x/kafkaProducer", server=shop.name, topic="sent", awaitAck=True),
        node("wait", "delay", delayMs=200),
        node("join", "join"),
        node("out", "x/kafkaProducer", server=shop.name, topic="joined", key="${metadata.offset}"),
    ]
    edges = [edge("fork", "Success", target) for target in ("sent", "wait")]
    edges += [edge(origin, "Success", "join") for origin in ("sent", "wait")] + [edge("join", "Success", "out")]
    source = {"integration": shop.name, "groupId": f"w-{shop.mark}"}
    routers = [{"from": {"path": "slow"}, "to": {"path": "slow"}}]
    endpoint = {"id": "e", "type": "endpoint/kafka", "configuration": source, "routers": routers}
    document = {
        "ruleChain": {"id": "slow", "name": "slow"},
        "metadata": {"nodes": nodes, "connections": edges, "endpoints": [endpoint]},
    }
    saved = shop.http.post("/api/v1/rules/slow", json=document)
    assert saved.status_code == 200, saved.text
    shop.produce(b"1", b"2", topic="slow")
    parts = [json.loads(value or b"") for value in shop.published("joined", 2)]
    assert [{part["nodeId"] for part in each} for each in parts] == [{"sent", "wait"}] * 2
    assert sorted(part["msg"]["data"] for each in parts for part in each) == ["1", "1", "2", "2"]


def test_a_refused_publication_can_be_published_after_all(shop: Shop) -> None:
    """Nobody waits for it: it is a dead letter, with the broker's reason, and whole."""
    shop.create_topic("narrow")
    given = {"server": shop.name, "topic": "narrow", "partition": 1, "key": "k", "headers": {"kind": "k"}}
    nodes = [{"id": "out", "type": "x/kafkaProducer", "configuration": given}]
    shop.http.post("/api/v1/rules/narrow", json={"ruleChain": {"name": "narrow"}, "metadata": {"nodes": nodes}})
    for number in (1, 2):
        shop.http.post("/api/v1/rules/narrow/notify/T", json={"n": number})

    def letters() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = shop.server.api.get(
            "/api/tidemill/dead-letters", route="publications", state="open"
        )
        return found

    first, second = wait_for(lambda: found if len(found := letters()) == 2 else None)
    assert "UNKNOWN_PARTITION" in first["reason"]
    assert first["reason"].startswith("not published: ")
    shop.replay(first["id"])
    again = wait_for(lambda: [each for each in letters() if each["id"] not in (first["id"], second["id"])])
    assert len(letters()) == 2, "it was refused again, and is another letter"

    admin = AdminClient({"bootstrap.servers": shop.address, "log_level": 0})
    admin.create_partitions([NewPartitions("narrow", 2)])["narrow"].result(30)
    for letter in (*again, second):
        assert shop.replay(letter["id"])["state"] == "replayed"
        assert shop.http.post(f"/api/tidemill/dead-letters/{letter['id']}/replay").status_code == 409
    assert sorted(shop.published("narrow", 2), key=str) == [b'{"n":1}', b'{"n":2}']
    assert letters() == []
