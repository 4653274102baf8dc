"""Pipelines under test: topics on a real broker, real server processes, and the sums at the end.

Every record carries a number and a key. A workflow or a rule chain publishes both, under the record's key. So the
far end can tell: each number once, and numbers of one key in order.
"""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from tests.faults.pipelines import Pipeline, chaining, copying
from tests.parts.broker import BrokerServer
from tests.parts.kafka import KafkaServer
from tidemill.cli.demo.process import ServerProcess
from tidemill.core.clock import SystemClock
from tidemill.workflows.ports import COUNTED_MAX

PARTITIONS = 4
KEYS = 40
SETTLE_S = 90.0
ASKED = 20
"""Numbers of which a chain is asked how often they came."""

CLOCK = SystemClock()

# What a rig stands on: each broker, and each database on it. For the fixture `parts`.
SQLITE = [pytest.param("apache-sqlite", marks=pytest.mark.kafka), pytest.param("embedded-sqlite")]
POSTGRES = [pytest.param("apache-postgres", marks=[pytest.mark.kafka, pytest.mark.postgres])]


@dataclass(frozen=True, slots=True)
class Parts:
    """`database` is a URL, or None for SQLite under the data folder."""

    kafka: KafkaServer | BrokerServer
    database: str | None


class Rig:
    def __init__(self, parts: Parts, folder: Path) -> None:
        mark = uuid.uuid4().hex[:8]
        self.kafka = parts.kafka
        self.integration = f"k-{mark}"
        self.topic_in = f"in-{mark}"
        self.topic_out = f"out-{mark}"
        self._folder = folder
        self._database = parts.database
        self._servers: list[ServerProcess] = []
        self.pipelines: tuple[Pipeline, ...] = (copying(self.integration, self.topic_out),)
        self.kafka.create_topic(self.topic_in, PARTITIONS)
        self.kafka.create_topic(self.topic_out, PARTITIONS)

    def use(self, pipeline: Pipeline) -> None:
        """Before `load`: what is run, instead of copying."""
        self.pipelines = ()
        self._add(pipeline)

    def add_chain(self) -> None:
        """Before `load`: each record also goes through a rule chain."""
        self._add(chaining(self.integration, self.topic_in, f"{self.topic_out}-chain"))

    def _add(self, pipeline: Pipeline) -> None:
        for topic in set(pipeline.topics) - {self.topic_out}:
            self.kafka.create_topic(topic, PARTITIONS)
        self.pipelines = (*self.pipelines, pipeline)

    def start(self, worker: str = "one", faults: str = "") -> ServerProcess:
        """A server process. Workers of different names have data folders of their own and share the database."""
        data = self._folder / worker
        data.mkdir(exist_ok=True)
        environment = {
            "TIDEMILL_SECRET_KEY": "a key that all workers of this test share",
            "TIDEMILL_LEASE_S": "2",
            "TIDEMILL_BATCH_RECORDS": "40",  # many transactions, so that many borders are crossed
            "TIDEMILL_SESSION_TIMEOUT_S": "6",
            "TIDEMILL_EMBEDDED_BROKER": "false",  # a broker is there already, outside of what dies
        }
        if faults:
            environment["TIDEMILL_FAULTS"] = faults
        if self._database:
            environment["TIDEMILL_DATABASE"] = self._database
        options = ["--port", "0"]
        server = ServerProcess(data, options=options, environment=environment, log=self._folder / f"{worker}.log")
        self._servers.append(server)
        return server

    def load(self, server: ServerProcess) -> None:
        """Integration, and for each pipeline its workflows and handler, or its chain."""
        configuration = {"protocol": "JSON", "connectionType": "PLAINTEXT", "endpoint": self.kafka.address}
        integration = {
            "type": "kafka",
            "category": "MESSAGE_BROKER",
            "enabled": True,
            "configuration": {**configuration, "groupId": f"group-{self.integration}"},
        }
        server.api.post(f"/api/integrations/provider/{self.integration}", integration)
        for pipeline in self.pipelines:
            if pipeline.chain is not None:
                self.save_chain(server, pipeline)
                continue
            for definition in pipeline.definitions:
                server.api.post("/api/metadata/workflow", definition)
            server.api.post("/api/event", self.handler())

    def save_chain(self, server: ServerProcess, pipeline: Pipeline) -> None:
        saved = server.api.post("/api/v1/rules/copy", pipeline.chain)
        assert not saved["findings"], saved

    def workflow(self) -> dict[str, Any]:
        """The one that a record starts."""
        return self.pipelines[0].definitions[-1]

    def handler(self) -> dict[str, Any]:
        start = {"name": self.workflow()["name"], "version": 1, "input": {"n": "${n}", "key": "${key}"}}
        return {
            "name": "copy",
            "event": f"kafka:{self.integration}:{self.topic_in}",
            "condition": "$.n >= 0",
            "evaluatorType": "javascript",
            "active": True,
            "actions": [{"action": "start_workflow", "start_workflow": start}],
        }

    def close(self) -> None:
        for server in self._servers:
            with suppress(ProcessLookupError):
                server.kill()

    def logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in self._folder.glob("*.log"))


class Appending:
    """Another pipeline on the rig's first topic: every record is appended to a list of one execution that waits."""

    def __init__(self, rig: Rig, server: ServerProcess) -> None:
        rig.load(server)
        wait = {"name": "wait", "taskReferenceName": "wait", "type": "WAIT"}
        server.api.post("/api/metadata/workflow", {**rig.workflow(), "name": "list", "tasks": [wait]})
        self._id = str(server.api.post("/api/workflow/list"))
        append = {"workflowId": self._id, "variables": {"seen": ["${n}"]}, "appendArray": True}
        server.api.put(
            "/api/event",
            {
                **rig.handler(),
                "actions": [{"action": "update_workflow_variables", "update_workflow_variables": append}],
            },
        )

    def check(self, server: ServerProcess, count: int) -> None:
        deadline = CLOCK.monotonic_s() + SETTLE_S
        while len(seen := self._seen(server)) < count and CLOCK.monotonic_s() < deadline:
            threading.Event().wait(0.5)
        threading.Event().wait(1)
        seen = self._seen(server)
        assert sorted(seen) == list(range(count)), f"{len(seen)} of {count}, {len(set(seen))} different"

    def _seen(self, server: ServerProcess) -> list[int]:
        return list(server.api.get(f"/api/workflow/{self._id}")["variables"].get("seen", ()))


class Feed:
    """Sends numbered records on a thread at a steady pace until told to stop; `count` is how many there are."""

    def __init__(self, rig: Rig, per_s: float) -> None:
        settings = {"bootstrap.servers": rig.kafka.address, "enable.idempotence": True, "linger.ms": 5, "log_level": 0}
        self._producer = Producer({**settings, "message.timeout.ms": 300_000})
        self._topic = rig.topic_in
        self._pause_s = 1 / per_s
        self._stop = threading.Event()
        self.count = 0
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        assert self._producer.flush(120) == 0, "the feed could not be delivered"
        return self.count

    def _run(self) -> None:
        while not self._stop.is_set():
            send(self._producer, self._topic, self.count)
            self.count += 1
            self._producer.poll(0)
            # A poll that waits ends with the first delivery, and the pace would be the broker's.
            self._stop.wait(self._pause_s)


def send(producer: Producer, topic: str, number: int) -> None:
    key = f"key-{number % KEYS}"
    producer.produce(topic, json.dumps({"n": number, "key": key}).encode(), key.encode())


def send_all(rig: Rig, count: int) -> int:
    producer = Producer({"bootstrap.servers": rig.kafka.address, "enable.idempotence": True, "log_level": 0})
    for number in range(count):
        send(producer, rig.topic_in, number)
    assert producer.flush(60) == 0
    return count


class Arrivals:
    """What a plain `read_committed` consumer sees on far topics, from their beginning. `seen`: by topic, how often
    each number; `by_key`: by topic and key, the numbers in their order."""

    def __init__(self, rig: Rig, topics: Collection[str]) -> None:
        self.seen: dict[str, dict[int, int]] = {topic: defaultdict(int) for topic in topics}
        self.by_key: dict[str, dict[str, list[int]]] = {topic: defaultdict(list) for topic in topics}
        settings = {"bootstrap.servers": rig.kafka.address, "group.id": "far-end", "enable.auto.commit": False}
        self._consumer = Consumer({**settings, "isolation.level": "read_committed", "log_level": 0})
        self._consumer.assign([TopicPartition(topic, number, 0) for topic in topics for number in range(PARTITIONS)])

    def wait_for(self, count: int, timeout_s: float = SETTLE_S) -> None:
        """Returns when `count` different numbers were seen on each; then looks a moment longer for doubles."""
        deadline = CLOCK.monotonic_s() + timeout_s
        while any(len(seen) < count for seen in self.seen.values()) and CLOCK.monotonic_s() < deadline:
            self._read(0.2)
        self._read(1.0)

    def close(self) -> None:
        self._consumer.close()

    def _read(self, wait_s: float) -> None:
        for message in self._consumer.consume(5000, timeout=wait_s):
            if message.error() is None:
                self._note(message)

    def _note(self, message: Message) -> None:
        value, key, topic = message.value(), message.key(), message.topic()
        assert value is not None
        assert key is not None
        assert topic is not None
        found = json.loads(value)
        number = found["n"]
        assert found.get("times", 1) == 1, f"{number} was counted {found['times']} times"
        self.seen[topic][number] += 1
        self.by_key[topic][key.decode()].append(number)


def check(rig: Rig, server: ServerProcess, count: int, timeout_s: float = SETTLE_S) -> None:
    """Every record: the executions that it should have, one publication on each topic, order kept per key."""
    arrivals = Arrivals(rig, [topic for pipeline in rig.pipelines for topic in pipeline.topics])
    try:
        arrivals.wait_for(count, timeout_s)
        for pipeline in rig.pipelines:
            _check_topics(rig, pipeline, arrivals, count)
    except AssertionError as error:
        error.add_note(f"dead letters: {server.api.get('/api/tidemill/dead-letters')}")
        raise
    finally:
        arrivals.close()
    if any(pipeline.is_counted for pipeline in rig.pipelines):
        _check_counts(server, count)
    wanted = count * sum(pipeline.executions for pipeline in rig.pipelines)
    if wanted:
        executions = wait_until_completed(server, wanted)
        assert executions == {"COMPLETED": wanted}, executions


def _check_counts(server: ServerProcess, count: int) -> None:
    """Whoever asks the chain now, is told of the once that was."""
    for number in range(0, count, max(count // ASKED, 1)):
        said = server.api.post("/api/v1/rules/copy/execute/T?key=k", {"n": number})
        assert said["times"] == 2, f"{number}: {said}"


def _check_topics(rig: Rig, pipeline: Pipeline, arrivals: Arrivals, count: int) -> None:
    for topic in pipeline.topics:
        seen = arrivals.seen[topic]
        lost = [number for number in range(count) if number not in seen]
        doubled = {number: times for number, times in seen.items() if times > 1}
        assert not lost, f"{len(lost)} of {count} lost on {topic}, first {lost[:5]}\n{rig.logs()}"
        assert not doubled, f"{len(doubled)} doubled on {topic}: {list(doubled.items())[:5]}"
        for key, numbers in arrivals.by_key[topic].items() if pipeline.is_ordered else ():
            assert numbers == sorted(numbers), f"order of {key} on {topic} broken: {list(broken(numbers))[:3]}"


def broken(numbers: list[int]) -> Iterator[tuple[int, int]]:
    return ((a, b) for a, b in itertools.pairwise(numbers) if a > b)


def wait_until_completed(server: ServerProcess, count: int) -> dict[str, int]:
    """Executions by status, once `count` are completed or it takes too long."""
    deadline = CLOCK.monotonic_s() + 20
    while True:
        found = {status: executions(server, status) for status in ("COMPLETED", "RUNNING", "FAILED")}
        by_status = {status: number for status, number in found.items() if number}
        if by_status == {"COMPLETED": count} or CLOCK.monotonic_s() > deadline:
            return by_status
        threading.Event().wait(0.2)


def executions(server: ServerProcess, status: str) -> int:
    """`totalHits` is exact up to a bound; beyond it, they are counted page by page."""

    def page(start: int, size: int) -> dict[str, Any]:
        found: dict[str, Any] = server.api.get(
            "/api/workflow/search", query=f"status = {status}", start=start, size=size
        )
        return found

    count = int(page(0, 1)["totalHits"])
    if count <= COUNTED_MAX:
        return count
    count = COUNTED_MAX
    while results := page(count, 1_000)["results"]:
        count += len(results)
    return count
