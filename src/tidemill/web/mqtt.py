"""MQTT (`rules.ports.MqttSender`): a connection for each server and login, kept and made again, on a thread of paho's.

What cannot be sent now is refused, and waits nowhere: a record's chain decides what comes of it.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import Any

import structlog
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from tidemill.core.blocking import BlockingThread
from tidemill.core.clock import Clock
from tidemill.rules.ports import MqttServer, OutsideFailed, mqtt_address
from tidemill.web.kept import Kept
from tidemill.web.reach import Reach

log = structlog.get_logger(__name__)

SEND_S = 10.0
"""How long a message may take, with the wait for the connection."""
KEEPALIVE_S = 30


class MqttLines:
    def __init__(self, clock: Clock, *, is_private_allowed: bool, send_s: float = SEND_S) -> None:
        reach = Reach(is_private_allowed=is_private_allowed)
        self._send_s = send_s
        self._lines = Kept[MqttServer, _Line](lambda server: _Line(server, reach), clock)

    async def publish(self, server: MqttServer, topic: str, payload: bytes, qos: int) -> None:
        async with self._lines.use(server) as line:
            try:
                async with asyncio.timeout(self._send_s):
                    await line.publish(topic, payload, qos)
            except TimeoutError as error:
                what = "did not acknowledge it" if line.is_up else f"cannot be reached{line.reason}"
                raise OutsideFailed(f"the MQTT server {what} within {self._send_s:g} s") from error

    async def close(self) -> None:
        await self._lines.close()


class _Line:
    """One connection. Callbacks of paho come on its thread, and say what they have to say in the loop."""

    def __init__(self, server: MqttServer, reach: Reach) -> None:
        self._server = server
        self._reach = reach
        self._answered = asyncio.Event()
        """It is up, or whoever logs in is refused."""
        self._starting = asyncio.Lock()
        self._client: Client | None = None
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._is_refused = False
        self._trouble = ""

    @property
    def is_up(self) -> bool:
        return self._answered.is_set()

    @property
    def reason(self) -> str:
        return f" ({self._trouble})" if self._trouble else ""

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        client = await self._started()
        await self._answered.wait()
        if self._is_refused:
            raise OutsideFailed(f"the MQTT server refused the login: {self._trouble}")
        try:
            info = client.publish(topic, payload, qos)
        except ValueError as error:
            raise OutsideFailed(f"that cannot be published: {error}") from error
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise OutsideFailed("the connection to the MQTT server is lost")
        await self._sent(info)

    async def close(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            thread = BlockingThread("mqtt-close")
            await thread.run(self._client.loop_stop)
            thread.close()

    async def _sent(self, info: MQTTMessageInfo) -> None:
        """The answer may have been here before anybody could wait for it."""
        sent = self._waiting[info.mid] = self._loop.create_future()
        if info.is_published():
            self._waiting.pop(info.mid).cancel()
            return
        try:
            await sent
        finally:
            self._waiting.pop(info.mid, None)

    async def _started(self) -> Client:
        async with self._starting:
            if self._client is None:
                address = mqtt_address(self._server.server)
                await self._reach.check(address.host, address.port)
                client = _client(self._server, is_tls=address.is_tls)
                client.on_connect = self._on_connect
                client.on_connect_fail = self._on_connect_fail
                client.on_disconnect = self._on_disconnect
                client.on_publish = self._on_publish
                client.connect_async(address.host, address.port, KEEPALIVE_S)
                client.loop_start()
                self._client = client
            return self._client

    def _on_connect(self, client: Client, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._tell(self._connected, "" if not reason.is_failure else str(reason))

    def _on_connect_fail(self, client: Client, data: Any) -> None:
        # Paho calls this where it has caught what went wrong, and does not hand it over.
        self._tell(self._failed, str(sys.exc_info()[1] or ""))

    def _on_disconnect(self, client: Client, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._tell(self._lost)

    def _on_publish(self, client: Client, data: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        self._tell(self._published, mid)

    def _tell(self, what: Any, *values: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what, *values)

    def _connected(self, refusal: str) -> None:
        self._trouble, self._is_refused = refusal, bool(refusal)
        self._answered.set()
        if refusal:
            log.warning("MQTT server refused the login", server=self._server.server, reason=refusal)

    def _failed(self, reason: str) -> None:
        self._trouble, self._is_refused = reason, False
        self._answered.clear()

    def _lost(self) -> None:
        """Who was refused is disconnected, and stays refused until the next attempt."""
        if not self._is_refused:
            self._answered.clear()

    def _published(self, mid: int) -> None:
        sent = self._waiting.pop(mid, None)
        if sent is not None and not sent.done():
            sent.set_result(None)


def _client(server: MqttServer, *, is_tls: bool) -> Client:
    is_clean = server.is_clean or not server.client_id
    client = Client(CallbackAPIVersion.VERSION2, server.client_id, is_clean, protocol=MQTTProtocolVersion.MQTTv311)
    client.reconnect_delay_set(1, max(server.reconnect_s_max, 1))
    if server.user:
        client.username_pw_set(server.user, server.password)
    if is_tls or server.ca_file or server.cert_file:
        try:
            context = ssl.create_default_context(cafile=server.ca_file or None)
            if server.cert_file:
                context.load_cert_chain(server.cert_file, server.key_file or None)
        except OSError as error:
            raise OutsideFailed(f"the certificates for the MQTT server cannot be read: {error}") from error
        client.tls_set_context(context)
    return client
