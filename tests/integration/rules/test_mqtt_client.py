"""mqttClient against Mosquitto."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.fakes.rules import RulesRoom, message
from tests.parts.mosquitto import PASSWORD, USER, Mosquitto
from tidemill.core.clock import SystemClock
from tidemill.graph.message import Message
from tidemill.graph.node import End
from tidemill.rules.nowhere import NOWHERE
from tidemill.rules.ports import MqttAddress, mqtt_address
from tidemill.web.mqtt import MqttLines

LOGIN = {"username": USER, "password": PASSWORD}
Received = asyncio.Queue[tuple[str, bytes, int]]


@pytest.fixture
async def lines() -> AsyncIterator[MqttLines]:
    lines = MqttLines(SystemClock(), is_private_allowed=True, send_s=60)
    yield lines
    await lines.close()


async def publish(lines: MqttLines, to: Mosquitto, *messages: Message, **more: Any) -> list[End]:
    room = RulesRoom(world=replace(NOWHERE, mqtt=lines))
    config = {"server": f"127.0.0.1:{to.port}", **LOGIN, **more}
    chain = await room.save("c", [{"id": "mqtt", "type": "mqttClient", "configuration": config}])
    assert not chain.findings
    results = await room.run("c", *messages or (message(),))
    return [end for result in results for end in result.ends]


async def refused(to: Mosquitto, reason: str, **more: Any) -> None:
    """By one who waits no longer than 0.3 s, and asks until it is for this reason."""
    impatient = MqttLines(SystemClock(), is_private_allowed=True, send_s=0.3)
    error = ""
    while not re.search(reason, error):
        (end,) = await publish(impatient, to, **more)
        assert end.relation == "Failure"
        error = end.error or ""
    await impatient.close()


@asynccontextmanager
async def subscriber(server: Mosquitto) -> AsyncIterator[Received]:
    """Topic, payload and QoS of all that is published."""
    loop, ready, received = asyncio.get_running_loop(), asyncio.Event(), Received()
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(USER, PASSWORD)

    def connected(*_: Any) -> None:
        client.subscribe("#", 2)

    def subscribed(*_: Any) -> None:
        loop.call_soon_threadsafe(ready.set)

    def got(_client: Client, _data: Any, one: MQTTMessage) -> None:
        loop.call_soon_threadsafe(received.put_nowait, (one.topic, bytes(one.payload), one.qos))

    client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, got
    client.connect("127.0.0.1", server.port)
    client.loop_start()
    await ready.wait()
    try:
        yield received
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_what_is_published_arrives(lines: MqttLines, mosquitto: Mosquitto, qos: int) -> None:
    async with subscriber(mosquitto) as received:
        topic = "/d/${metadata.device}/${msg.n}"
        (end,) = await publish(lines, mosquitto, message(device="17"), topic=topic, qos=qos)
        assert (end.relation, end.message) == ("Success", message(device="17")), end.error
        assert await received.get() == ("/d/17/1", b'{"n":1}', qos)


async def test_a_batch_over_one_connection(lines: MqttLines, mosquitto: Mosquitto) -> None:
    async with subscriber(mosquitto) as received:
        numbers = [message(b"%d" % number) for number in range(300)]
        for _ in range(2):
            ends = await publish(lines, mosquitto, *numbers, qos=1)
            assert {end.relation for end in ends} == {"Success"}
        got = [await received.get() for _ in range(600)]
        assert sorted(int(payload) for _, payload, _ in got) == sorted([*range(300), *range(300)])
        assert mosquitto.connections == 2


async def test_what_is_no_topic_fails_its_message_alone(lines: MqttLines, mosquitto: Mosquitto) -> None:
    sent = [message(t=topic) for topic in ("a/b", "a/+", "#", "", "a\x00", "a" * 70_000)]
    ends = await publish(lines, mosquitto, *sent, topic="${metadata.t}")
    assert [end.relation for end in ends] == ["Success", *["Failure"] * 5]


async def test_a_server_that_went_away_and_came_back(lines: MqttLines, mosquitto: Mosquitto) -> None:
    (end,) = await publish(lines, mosquitto, qos=1)
    assert end.relation == "Success"
    mosquitto.stop()
    await refused(mosquitto, r"the MQTT server cannot be reached \(.*refused.*\) within 0\.3 s")
    mosquitto.start()
    (again,) = await publish(lines, mosquitto, qos=1)
    assert again.relation == "Success", again.error


async def test_a_login_that_is_refused(lines: MqttLines, mosquitto: Mosquitto) -> None:
    (end,) = await publish(lines, mosquitto, password="wr0ng")
    assert (end.relation, end.error) == ("Failure", "the MQTT server refused the login: Not authorized")


async def test_tls_is_verified(lines: MqttLines, mosquitto_tls: Mosquitto, tmp_path: Path) -> None:
    server = f"ssl://127.0.0.1:{mosquitto_tls.port}"
    (end,) = await publish(lines, mosquitto_tls, server=server, caFile=str(tmp_path / "certificate.pem"), qos=1)
    assert end.relation == "Success", end.error
    (unread,) = await publish(lines, mosquitto_tls, server=server, caFile=str(tmp_path / "none.pem"))
    assert "cannot be read" in (unread.error or "")
    assert mosquitto_tls.connections == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho forgets to close its socket
async def test_a_certificate_that_nobody_knows_is_refused(mosquitto_tls: Mosquitto) -> None:
    await refused(mosquitto_tls, "CERTIFICATE_VERIFY_FAILED", server=f"ssl://127.0.0.1:{mosquitto_tls.port}")
    assert mosquitto_tls.connections == 0
    gc.collect()


async def test_private_networks_can_be_out_of_reach(mosquitto: Mosquitto) -> None:
    guarded = MqttLines(SystemClock(), is_private_allowed=False)
    (end,) = await publish(guarded, mosquitto)
    await guarded.close()
    assert end.relation == "Failure" and "not to be reached" in (end.error or "")


@pytest.mark.parametrize(("server", "expected"), [
    ("a", MqttAddress("a", 1883, False)), ("tcp://a:1", MqttAddress("a", 1, False)),
    ("ssl://a", MqttAddress("a", 8883, True)), ("mqtts://[::1]:5", MqttAddress("::1", 5, True)),
])  # fmt: skip
def test_addresses(server: str, expected: MqttAddress) -> None:
    assert mqtt_address(server) == expected


async def test_what_is_wrong_is_found_when_it_is_saved() -> None:
    room = RulesRoom()
    config = {"server": "ws://a", "topic": "${1 +}", "certKeyFIle": "x"}
    chain = await room.save("c", [{"id": "mqtt", "type": "mqttClient", "configuration": config}])
    assert ["did you mean 'certKeyFile'" in str(each) for each in chain.findings] == [True]
    del config["certKeyFIle"]
    chain = await room.save("c", [{"id": "mqtt", "type": "mqttClient", "configuration": config}])
    assert [each.path.rpartition(".")[2] for each in chain.findings] == ["topic", "server"]
