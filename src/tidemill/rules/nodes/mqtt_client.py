"""mqttClient: publishes each message to an MQTT server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field

from tidemill.core.findings import Finding
from tidemill.expressions.exprlang.template import compile_template
from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import Batch
from tidemill.graph.secret import Address, Password
from tidemill.rules.calling import Caller
from tidemill.rules.fields.fields import Sight, field_findings, nodes_asked
from tidemill.rules.ports import MqttServer, OutsideFailed, mqtt_address
from tidemill.rules.site import Site


class MqttClientConfig(Config):
    server: Address = Field(
        "127.0.0.1:1883", description="host:port; `ssl://host:port` for TLS, which caFile or certFile mean, too."
    )
    topic: str = Field("/device/msg", min_length=1, description="The topic; a template.")
    username: str = Field("", description="Who logs in; without it, nobody does.")
    password: Password = Field("", description="The password.", repr=False)
    qos: Literal[0, 1, 2] = Field(0, description="0: sent; 1: acknowledged, may come twice; 2: once, as MQTT has it.")
    is_clean: bool = Field(False, alias="cleanSession", description="The server keeps nothing between connections.")
    client_id: str = Field(
        "", alias="clientId", description="Leave it empty where several workers run: one name is one connection."
    )
    reconnect_s: int = Field(
        60, alias="maxReconnectInterval", ge=0, description="Seconds between attempts to connect again, at most."
    )
    ca_file: str = Field(
        "", alias="caFile", description="Who signed the server's certificate, where not the usual ones."
    )
    cert_file: str = Field("", alias="certFile", description="The client's certificate.")
    key_file: str = Field("", alias="certKeyFile", description="Its key.")


class MqttClient:
    def __init__(self, config: MqttClientConfig, site: Site) -> None:
        self._mqtt = site.ports.world.mqtt
        self._server = MqttServer(
            config.server,
            config.username,
            config.password,
            config.client_id,
            config.is_clean,
            config.reconnect_s,
            config.ca_file,
            config.cert_file,
            config.key_file,
        )
        self._topic = compile_template(config.topic)
        self._sight = Sight(site, [self._topic])
        self._qos = config.qos
        self._caller = Caller()

    async def process(self, batch: Batch) -> None:
        async def call(index: int) -> Sequence[Message]:
            message = batch.items[index].message
            topic = self._topic.render(self._sight.of(batch, index))
            if not topic or any(sign in topic for sign in "+#\x00"):
                raise OutsideFailed(f"{topic[:50]!r} is no topic to publish to")
            await self._mqtt.publish(self._server, topic, message.data, self._qos)
            return [message]

        await self._caller.call_each(batch, call)


def _check(config: MqttClientConfig, site: Site) -> Iterator[Finding]:
    yield from field_findings(site, {"topic": config.topic})
    try:
        mqtt_address(config.server)
    except ValueError as error:
        yield site.finding("server", str(error))


def _asks_for(config: MqttClientConfig) -> Sequence[str]:
    return nodes_asked([config.topic])


def _build(config: Any, site: Site) -> MqttClient:
    return MqttClient(config, site)


COMPONENT = Component(
    "mqttClient",
    "external",
    "Publishes each message to an MQTT server.",
    MqttClientConfig,
    _build,
    check=_check,
    asks_for=_asks_for,
    examples=({"server": "mqtt.example.org:1883", "topic": "/alarms/${metadata.deviceId}", "qos": 1},),
    notes=(
        "What is published is the data. The message goes on when the server has acknowledged it, with `qos` 0 when it"
        " has been sent. Nodes that name the same server and login share one connection, which is made again when it"
        " is lost. A message for which there is no connection within ten seconds goes by `Failure`; it waits"
        " nowhere.\n\n"
        "After a crash a message may be published again, and one that failed by time may have arrived all the same:"
        " `qos` 2 says nothing of that. Give it the record's `${id}` where a receiver must know it again. Messages of"
        " one batch are sent at the same time: their order is not kept."
    ),
)
