"""Apache Kafka for tests: a controller and one broker on free ports, in a temporary directory.

Two processes, as in production, and only the broker is killed. A node that is both loses transactions: killed while it
writes the markers of one, it begins with what it knew of itself, is fenced by its own controller, takes the partitions
for deleted and the transaction for ended ("likely deleted already and hence can be skipped", Kafka 4.3.1). No reader of
committed records gets past that place any more, whoever wrote it. One in fifteen kills between short transactions.
A broker's session lasts its usual 9 s, for which a restart waits: with 2 s a busy machine had one fenced.

By hand: `python -m tests.parts.kafka` starts one, prints its address and runs until it is interrupted.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Literal

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.parts.certificate import make_certificate
from tests.parts.folder import new_folder
from tests.parts.missing import missing

VERSION = "4.3.1"
POM = Path(__file__).parent.parent / "pom.xml"
START_TIMEOUT_S = 90.0

# A child that is to end with its parent ends with the thread that made it: this one lives as long as we do.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafka-spawner")

CONTROLLER = """\
process.roles=controller
node.id=2
listeners=CONTROLLER://127.0.0.1:{controller_port}
log.dirs={directory}/controller
"""

BROKER = """\
process.roles=broker
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
log.dirs={directory}/data
"""

# A second listener, where a client shows a certificate or is sent away; files in PEM.
WITH_TLS = """\
listeners=PLAINTEXT://127.0.0.1:{port},TLS://127.0.0.1:{tls_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},TLS://127.0.0.1:{tls_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL
listener.name.tls.ssl.client.auth=required
listener.name.tls.ssl.keystore.type=PEM
listener.name.tls.ssl.keystore.location={directory}/server.pem
listener.name.tls.ssl.truststore.type=PEM
listener.name.tls.ssl.truststore.location={directory}/certificate.pem
"""

# What the broker alone needs does not trouble the controller.
BOTH = """\
controller.quorum.voters=2@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
auto.create.topics.enable=false
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=500
"""


Role = Literal["controller", "broker"]
ROLES: Mapping[Role, str] = {"controller": CONTROLLER, "broker": BROKER}


class KafkaServer:
    """`start` after `stop` or `kill` brings the broker back with the same data on the same port."""

    def __init__(self, jars: Path, settings: Mapping[str, str] | None = None, *, is_for_long: bool = False) -> None:
        """`settings` win over those above. Unless it is for long, Java compiles quickly and not well:
        on two cores its second compiler takes half of one for minutes."""
        self._jars = jars
        self._compiler = [] if is_for_long else ["-XX:TieredStopAtLevel=1"]
        self._directory = new_folder("tidemill-kafka-")
        self._processes: dict[Role, subprocess.Popen[bytes]] = {}
        port, controller_port, tls_port = free_ports(3)
        self.address, self.tls_address = f"127.0.0.1:{port}", f"127.0.0.1:{tls_port}"
        self.certificate, self.key = make_certificate(self._directory)
        """What the server shows at its TLS address, and what it takes from clients there."""
        (self._directory / "server.pem").write_bytes(self.key.read_bytes() + self.certificate.read_bytes())
        own = "".join(f"{key}={value}\n" for key, value in (settings or {}).items())
        for role, usual in ROLES.items():
            ports = {"port": port, "controller_port": controller_port, "tls_port": tls_port}
            text = usual + BOTH + (WITH_TLS if role == "broker" else "")
            own_text = text.format(**ports, directory=self._directory) + own
            self._file(role).write_text(own_text)  # of a key that is there twice the last one counts
        self._format()

    @property
    def pid(self) -> int | None:
        broker = self._processes.get("broker")
        return broker.pid if broker is not None else None

    def start(self) -> None:
        """Returns when the broker answers and the internal topics are there."""
        for role in ROLES:
            if role not in self._processes:
                self._processes[role] = self._run(role)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            ended = [role for role, process in self._processes.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = "".join(f"\n{role}:\n{self._log_tail(role)}" for role in ROLES)
                raise RuntimeError(f"Apache Kafka did not start; the ends of its logs:{logs}")
            time.sleep(0.2)

    def stop(self) -> None:
        self._end("broker", signal.SIGTERM)

    def kill(self) -> None:
        self._end("broker", signal.SIGKILL)

    def close(self) -> None:
        for role in ROLES:
            self._end(role, signal.SIGKILL)
        shutil.rmtree(self._directory, ignore_errors=True)

    def create_topic(self, name: str, partitions: int = 1, **config: str | int) -> None:
        """`config`: topic settings with underscores for dots (`retention_ms=1`)."""
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=settings)
        admin = self._admin()  # a request dies with its client
        admin.create_topics([topic], operation_timeout=15)[name].result()
        while not _has_leaders(admin, name, partitions):
            time.sleep(0.02)

    def delete_topic(self, name: str) -> None:
        admin = self._admin()
        admin.delete_topics([name], operation_timeout=15)[name].result()

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.address, "log_level": 0})

    def _is_ready(self) -> bool:
        host, _, port = self.address.partition(":")
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return _internal_topics_answer(self.address)
        return False

    def _format(self) -> None:
        tool, cluster = self._java("kafka.tools.StorageTool"), _cluster_id()
        commands = [[*tool, "format", "-t", cluster, "-c", str(self._file(role))] for role in ROLES]
        formats = [subprocess.Popen(command, stdout=PIPE, stderr=STDOUT, text=True) for command in commands]
        for process in formats:
            said, _ = process.communicate()
            if process.returncode != 0:
                raise RuntimeError(f"Kafka's storage could not be formatted:\n{said}")

    def _run(self, role: Role) -> subprocess.Popen[bytes]:
        with self._log(role).open("ab") as log:
            command = [*_end_with_parent(), *self._java("kafka.Kafka"), str(self._file(role))]
            return _spawner.submit(subprocess.Popen, command, stdout=log, stderr=log).result()

    def _java(self, main: str) -> list[str]:
        level = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        memory = ["-Xmx512m", "-XX:+UseSerialGC"]
        return ["java", *memory, *self._compiler, level, "-cp", f"{self._jars}/*", main]

    def _end(self, role: Role, how: signal.Signals) -> None:
        process = self._processes.pop(role, None)
        if process is not None:
            process.send_signal(how)
            process.wait(timeout=60)

    def _file(self, role: Role) -> Path:
        return self._directory / f"{role}.properties"

    def _log(self, role: Role) -> Path:
        return self._directory / f"{role}.log"

    def _log_tail(self, role: Role) -> str:
        return self._log(role).read_text(errors="replace")[-4000:]


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def kafka_jars() -> Path:
    """The directory with Kafka's jars, fetched once per machine."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    jars = cache / "tidemill" / f"kafka-{VERSION}"
    if shutil.which("java") is None:
        missing("Apache Kafka needs Java 17 or newer (Debian: apt-get install default-jre-headless maven)")
    if not jars.is_dir():
        if shutil.which("mvn") is None:
            missing("Apache Kafka's jars come through Maven (Debian: apt-get install maven)")
        _fetch(jars)
    return jars


def _fetch(jars: Path) -> None:
    jars.parent.mkdir(parents=True, exist_ok=True)
    # Under a name of its own first: two test runs may fetch at the same time.
    partial = Path(tempfile.mkdtemp(prefix=f"{jars.name}-", dir=jars.parent))
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
    done = subprocess.run(["mvn", "-q", "-B", "-f", str(POM), *goal], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shutil.rmtree(partial, ignore_errors=True)
        missing(f"Apache Kafka's jars could not be fetched through Maven: {done.stdout[-500:]}")
    with suppress(OSError):  # the other run was faster
        partial.rename(jars)
    shutil.rmtree(partial, ignore_errors=True)


def _cluster_id() -> str:
    text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return text if not text.startswith("-") else _cluster_id()


def _end_with_parent() -> list[str]:
    """So that a test run that is killed leaves no broker behind."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def _has_leaders(admin: AdminClient, name: str, partitions: int) -> bool:
    topic = admin.list_topics(name, timeout=10).topics[name]
    return len(topic.partitions) == partitions and all(one.leader >= 0 for one in topic.partitions.values())


def _internal_topics_answer(address: str) -> bool:
    """One transaction with an offset: it makes both internal topics and proves that they work."""
    settings: dict[str, str | int | float | bool] = {"bootstrap.servers": address, "log_level": 0}
    try:
        admin = AdminClient(settings)
        admin.create_topics([NewTopic("warm-up", 1, 1)])["warm-up"].exception()  # it may be there already
        producer = Producer({**settings, "transactional.id": "warm-up"})
        consumer = Consumer({**settings, "group.id": "warm-up"})
        try:
            producer.init_transactions(5)
            producer.begin_transaction()
            offsets = [TopicPartition("warm-up", 0, 1)]
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 5)
            producer.commit_transaction(5)
        finally:
            consumer.close()
    except KafkaException:
        return False
    return True


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    """A running node for the whole session. A test that stops it starts it again."""
    server = KafkaServer(kafka_jars())
    try:
        server.start()
        yield server
    finally:
        server.close()


def main() -> None:
    server = KafkaServer(kafka_jars())
    try:
        server.start()
        print(server.address, flush=True)  # noqa: T201
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    finally:
        server.close()


if __name__ == "__main__":
    main()
