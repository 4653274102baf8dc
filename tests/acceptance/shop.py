"""An integration of its own on a served Tidemill, with what a test puts around it: workflows, handlers, records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import httpx
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.parts.server import mark, wait_for
from tidemill.cli.demo.process import ServerProcess

Headers = list[tuple[str, str | bytes | None]]


class Shop:
    """`endpoint` is a Kafka cluster's, else it is the embedded broker. Handlers and workflows get its mark."""

    def __init__(self, server: ServerProcess, endpoint: str | None = None, address: str | None = None) -> None:
        self.server = server
        self.mark = mark()
        self.name = f"shop-{self.mark}"
        configuration = {"protocol": "JSON", "groupId": f"group-{self.mark}"}
        if endpoint is not None:
            configuration |= {"endpoint": endpoint, "connectionType": "PLAINTEXT"}
        kind = "embedded" if endpoint is None else "kafka"
        integration = {"type": kind, "category": "MESSAGE_BROKER", "enabled": True, "configuration": configuration}
        server.api.post(f"/api/integrations/provider/{self.name}", integration)
        self.address: str = address or endpoint or self._embedded_address()
        self.http = httpx.Client(base_url=server.url, headers={"X-Authorization": server.token}, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def workflow(self, name: str, *tasks: dict[str, Any]) -> str:
        """Its name, as the server knows it."""
        name = f"{name}-{self.mark}"
        self.server.api.post("/api/metadata/workflow", {"name": name, "version": 1, "tasks": list(tasks)})
        return name

    def handler(self, name: str, workflow: str, condition: str = "", topic: str = "orders", **start: Any) -> str:
        name = f"{name}-{self.mark}"
        given = {"name": workflow, "input": {"order": "${order}"}, **start}
        handler = {
            "name": name,
            "event": f"kafka:{self.name}:{topic}",
            "condition": condition,
            "evaluatorType": "javascript",
            "actions": [{"action": "start_workflow", "start_workflow": given}],
            "active": True,
        }
        self.server.api.post("/api/event", handler)
        return name

    def mend(self, handler: str, **changes: Any) -> None:
        known = self.server.api.get(f"/api/event/handler/{handler}")
        self.server.api.put("/api/event", {**known, **changes})

    def create_topic(self, topic: str, **config: object) -> None:
        """For topics that need settings of their own; the embedded broker makes the others."""
        wanted = NewTopic(topic, 1, config={name.replace("_", "."): str(value) for name, value in config.items()})
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        admin.create_topics([wanted])[topic].result(30)

    def produce(self, *values: bytes | None, topic: str = "orders", headers: Headers | None = None) -> list[int]:
        """Their offsets, on partition 0 and in this order."""
        producer = Producer({"bootstrap.servers": self.address, "message.max.bytes": 20_000_000, "log_level": 0})
        offsets: list[int] = []
        for value in values:
            producer.produce(
                topic,
                value,
                key=b"k",
                partition=0,
                headers=headers or [],
                on_delivery=lambda error, record: offsets.append(-1 if error else record.offset() or 0),
            )
        assert producer.flush(20) == 0
        assert -1 not in offsets
        return offsets

    def settled(self, offset: int, routes: int, topic: str = "orders", timeout_s: float = 30) -> dict[str, Any]:
        """The record's trace, once that many handlers have settled it."""

        def is_settled() -> dict[str, Any] | None:
            found: dict[str, Any] = self.server.api.get(f"/api/tidemill/trace/{self.name}/{topic}/0/{offset}")
            done = [route for route in found["routes"] if route["outcome"] != "retry"]
            return found if len(done) >= routes else None

        found: dict[str, Any] = wait_for(is_settled, timeout_s)
        return found

    def replay(self, letter_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.server.api.post(f"/api/tidemill/dead-letters/{letter_id}/replay")
        return found

    def started(self, workflow: str) -> int:
        """How many executions of it there are."""
        return int(self.server.api.get("/api/workflow/search", query=f"workflowType = {workflow}", size=1)["totalHits"])

    def finished(self, execution_id: str) -> dict[str, Any]:
        """The execution with its tasks, once it has ended."""

        def is_ended() -> dict[str, Any] | None:
            found: dict[str, Any] = self.server.api.get(f"/api/workflow/{execution_id}")
            return found if found["status"] != "RUNNING" else None

        found: dict[str, Any] = wait_for(is_ended)
        return found

    def ready(self) -> dict[str, Any]:
        """What `/ready` says of this integration."""
        found: dict[str, Any] = self.http.get("/ready").json()["integrations"].get(self.name, {})
        return found

    def published(self, topic: str, count: int) -> list[bytes | None]:
        """What a plain `read_committed` consumer sees on all partitions, and a moment later still sees."""
        settings = {"bootstrap.servers": self.address, "group.id": "far-end", "enable.auto.commit": False}
        consumer = Consumer({**settings, "isolation.level": "read_committed", "log_level": 0})
        seen: list[bytes | None] = []
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])

            def read() -> bool:
                seen.extend(message.value() for message in consumer.consume(1000, 0.2) if message.error() is None)
                return len(seen) >= count

            wait_for(read)
            read()
        except KafkaException as error:
            raise AssertionError(f"the far end failed: {error}") from error
        finally:
            consumer.close()
        return seen

    def _embedded_address(self) -> str:
        return str(self.server.api.post(f"/api/tidemill/integrations/{self.name}/test")["address"])


def set_variable(**variables: Any) -> dict[str, Any]:
    return {"name": "note", "taskReferenceName": "note", "type": "SET_VARIABLE", "inputParameters": variables}


def paths(response: httpx.Response, level: str = "error") -> list[str]:
    """Where the findings of a refusal are."""
    assert response.status_code == 400, response.text
    return [finding["path"] for finding in response.json()["validationErrors"] if finding["level"] == level]


def message(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    return str(response.json()["message"])


def reasons(trace: dict[str, Any], mark: str) -> dict[str, str | None]:
    """What each handler said of a record last; None where it is done with it."""
    return {
        route["route"].removeprefix("event_handler:").removesuffix(f"-{mark}"): route["reason"]
        for route in trace["routes"]
    }


def outcomes(traces: Sequence[dict[str, Any]], handler: str) -> list[str]:
    """What became of each record at one handler, the last try counting."""
    return [
        next(each["outcome"] for each in reversed(trace["routes"]) if each["route"] == f"event_handler:{handler}")
        for trace in traces
    ]
