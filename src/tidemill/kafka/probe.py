"""*Test connection*: goes the way to a cluster step by step and says how far it came. Changes nothing there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from tidemill.core.blocking import BlockingThread
from tidemill.core.clock import Clock
from tidemill.kafka.client import admin_settings, error_text
from tidemill.kafka.integration import Integration
from tidemill.kafka.security import SECRET_SETTINGS

PROBE_TIMEOUT_S = 5.0
_ASK_S = 0.5
_REFUSALS = (KafkaError._AUTHENTICATION, KafkaError._SSL)
_ALERT = "SSL alert number"


class _StepFailed(Exception):
    pass


class Metadata(msgspec.Struct, frozen=True):
    cluster_id: str
    brokers: int
    topics: int


class Probe:
    """One test of one integration; takes at most `PROBE_TIMEOUT_S` in all."""

    def __init__(self, integration: Integration, clock: Clock) -> None:
        self._integration = integration
        self._clock = clock
        self._deadline_s = clock.monotonic_s() + PROBE_TIMEOUT_S
        self._steps: list[dict[str, Any]] = []
        self._metadata: Metadata | None = None

    async def run(self) -> dict[str, Any]:
        """`ok`, `message` for people, `address`, `steps` (each with `step`, `ok`, `detail`, `elapsedMs`),
        `failedStep`, the client's `settings` but its `secrets`, and `brokers`, `clusterId`, `topics` where they are
        known."""
        try:
            for name, step in (("resolve", self._resolve), ("connect", self._connect), ("metadata", self._ask)):
                await self._take(name, step)
        except _StepFailed as failure:
            return self._report(f"{self._steps[-1]['step']} failed: {failure}")
        return self._report("connected: " + self._steps[-1]["detail"])

    async def _take(self, name: str, step: Callable[[], Awaitable[str]]) -> None:
        begin_s = self._clock.monotonic_s()
        entry: dict[str, Any] = {"step": name, "ok": False}
        self._steps.append(entry)
        try:
            entry["detail"] = await asyncio.wait_for(step(), self._remaining_s())
            entry["ok"] = True
        except (_StepFailed, TimeoutError) as error:
            entry["detail"] = str(error) or "no answer in time"
            raise _StepFailed(entry["detail"]) from error
        finally:
            entry["elapsedMs"] = round((self._clock.monotonic_s() - begin_s) * 1000)

    async def _resolve(self) -> str:
        """All servers must have an address: a name that is wrong is wrong, even if another server answers."""
        loop = asyncio.get_running_loop()
        found = []
        for host, port in self._servers():
            try:
                addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except OSError as error:
                raise _StepFailed(f"{host}: {error.strerror}") from error
            found.append(f"{host} is {addresses[0][4][0]}")
        if not found:
            raise _StepFailed("the embedded broker is not running in this process")
        return ", ".join(found)

    async def _connect(self) -> str:
        """One server that answers is enough, as for any client."""
        failures = []
        for host, port in self._servers():
            try:
                _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), self._remaining_s() / 2)
            except (OSError, TimeoutError) as error:
                failures.append(f"{host}:{port}: {error or 'no answer in time'}")
                continue
            writer.close()
            return f"{host}:{port}"
        raise _StepFailed("; ".join(failures))

    async def _ask(self) -> str:
        thread = BlockingThread("kafka-probe")
        try:
            self._metadata = await thread.run(
                _metadata, self._integration, self._remaining_s(), self._clock.monotonic_s
            )
        except KafkaException as error:
            raise _StepFailed(error_text(error.args[0])) from error
        finally:
            thread.close()
        known = self._metadata
        return f"cluster {known.cluster_id} with {known.brokers} brokers and {known.topics} topics"

    def _servers(self) -> list[tuple[str, int]]:
        addresses = str(self._integration.settings.get("bootstrap.servers", ""))
        pairs = [address.rpartition(":") for address in addresses.split(",") if address]
        return [(host.strip("[]"), int(port)) for host, _, port in pairs]

    def _remaining_s(self) -> float:
        return max(self._deadline_s - self._clock.monotonic_s(), 0.05)

    def _report(self, message: str) -> dict[str, Any]:
        settings = self._integration.settings
        is_ok = all(step["ok"] for step in self._steps)
        report: dict[str, Any] = {
            "ok": is_ok,
            "message": message,
            "address": self._integration.settings.get("bootstrap.servers"),
            "settings": {name: value for name, value in settings.items() if name not in SECRET_SETTINGS},
            "secrets": sorted(SECRET_SETTINGS.intersection(settings)),
            "steps": self._steps,
            "failedStep": None if is_ok else self._steps[-1]["step"],
        }
        if self._metadata is not None:
            report |= {
                "clusterId": self._metadata.cluster_id,
                "brokers": self._metadata.brokers,
                "topics": self._metadata.topics,
            }
        return report


def _metadata(integration: Integration, timeout_s: float, now_s: Callable[[], float]) -> Metadata:
    """Ends at once where the cluster refuses the login, or is not who it should be: librdkafka would go on trying."""
    told: list[KafkaError] = []
    settings: dict[str, Any] = {**admin_settings(integration), "error_cb": told.append}
    admin, deadline_s = AdminClient(settings), now_s() + timeout_s
    while True:
        try:
            found = admin.list_topics(timeout=max(min(_ASK_S, deadline_s - now_s()), 0.05))
            return Metadata(str(found.cluster_id), len(found.brokers), len(found.topics))
        except KafkaException as error:
            admin.poll(0)  # what was wrong with the connection is told here, and not with the call
            refusal = next((each for each in told if _is_refusal(each)), None)
            if refusal is not None or now_s() >= deadline_s - _ASK_S:
                raise KafkaException(refusal or error.args[0]) from error


def _is_refusal(error: KafkaError) -> bool:
    """A cluster that demands a certificate of its clients says so when TLS is up already: for librdkafka the connection
    broke."""
    return error.code() in _REFUSALS or _ALERT in error.str()
