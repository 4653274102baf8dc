"""Apache Kafka's own command line tools, and with them the Java clients."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from tests.conformance.broker.room import TIMEOUT_S, Room, take
from tests.conformance.broker.tools import Tools

GROUPS = "consumer.group.ConsumerGroupCommand"
CONSUMER = "consumer.ConsoleConsumer"


def test_topic_command(room: Room, tools: Tools) -> None:
    topic = room.name("topic")
    create = ["--create", "--topic", topic, "--partitions", "2", "--config", "retention.ms=777"]
    assert f"Created topic {topic}." in tools.run("TopicCommand", *create)
    tools.run("TopicCommand", "--alter", "--topic", topic, "--partitions", "3")
    described = tools.run("TopicCommand", "--describe", "--topic", topic)
    assert re.search(rf"Topic: {topic}\s+TopicId: [\w-]{{22}}\s+PartitionCount: 3\s+ReplicationFactor: 1", described)
    assert "retention.ms=777" in described
    assert len(re.findall(r"Partition: \d\s+Leader: \d+\s+Replicas: \d+\s+Isr: \d+", described)) == 3
    tools.run("TopicCommand", "--delete", "--topic", topic)
    room.wait_for(lambda: room.partitions(topic) == 0)


def test_config_command(room: Room, tools: Tools) -> None:
    topic = room.topic()
    where = ["--entity-type", "topics", "--entity-name", topic]
    tools.run("kafka.admin.ConfigCommand", *where, "--alter", "--add-config", "retention.ms=777,cleanup.policy=compact")
    described = tools.run("kafka.admin.ConfigCommand", *where, "--describe")
    assert re.search(r"retention\.ms=777 .*DYNAMIC_TOPIC_CONFIG", described)
    assert re.search(r"cleanup\.policy=compact .*DYNAMIC_TOPIC_CONFIG", described)


def test_console_producer_and_consumer(room: Room, tools: Tools) -> None:
    topic, group = room.topic(), room.name("group")
    written = "h1:v1,h2:v2\tkey\tvalue\nh:\tkey\tüml\n"
    form = ["parse.key=true", "parse.headers=true", "key.separator=\t"]
    given = ["--reader-property", form[0], "--reader-property", form[1], "--compression-codec", "zstd"]
    tools.run("ConsoleProducer", "--topic", topic, *given, given=written)
    shown = ["print.key=true", "print.headers=true", "print.offset=true", "print.partition=true"]
    wanted = [argument for name in shown for argument in ("--formatter-property", name)]
    limits = ["--max-messages", "2", "--timeout-ms", "15000", "--from-beginning", "--group", group]
    read = tools.run(CONSUMER, "--topic", topic, *wanted, *limits)
    assert read == "Partition:0\tOffset:0\th1:v1,h2:v2\tkey\tvalue\nPartition:0\tOffset:1\th:\tkey\tüml\n"
    (place,) = room.consumer(group).committed([TopicPartition(topic, 0)], TIMEOUT_S)
    assert place.offset == 2


def test_consumer_group_command(room: Room, tools: Tools) -> None:
    topic, group = room.topic(partitions=2), room.name("group")
    for partition in range(2):
        room.produce(topic, *(b"%d" % number for number in range(10)), partition=partition)
    member = room.consumer(group, client_id="member")
    member.subscribe([topic])
    take(member, 20)
    member.commit(asynchronous=False)
    described = tools.rows(GROUPS, "--describe", "--group", group)
    columns = ("TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CLIENT-ID")
    assert [[row[name] for name in columns] for row in described] == [
        [topic, partition, "10", "10", "0", "member"] for partition in "01"
    ]
    assert [group, "Stable"] in [line.split() for line in tools.run(GROUPS, "--list", "--state").splitlines()]
    member.close()
    reset = ["--reset-offsets", "--group", group, "--topic", f"{topic}:1", "--to-offset", "4", "--execute"]
    (row,) = tools.rows(GROUPS, *reset)
    assert (row["PARTITION"], row["NEW-OFFSET"]) == ("1", "4")
    places = room.consumer(group).committed([TopicPartition(topic, partition) for partition in range(2)], TIMEOUT_S)
    assert [place.offset for place in places] == [10, 4]


def test_consumer_group_command_forgets(room: Room, tools: Tools) -> None:
    topic, group = room.topic(), room.name("group")
    room.produce(topic, b"0", timestamp=1_790_000_000_000)
    places = [TopicPartition(topic, 0, 1)]
    room.consumer(group).commit(offsets=places, asynchronous=False)
    deleted = tools.run(GROUPS, "--delete-offsets", "--group", group, "--topic", topic)
    assert re.search(rf"{topic}\s+0\s+Successful", deleted)
    assert room.consumer(group).committed(places, TIMEOUT_S)[0].offset < 0
    room.consumer(group).commit(offsets=places, asynchronous=False)
    assert "was successful" in tools.run(GROUPS, "--delete", "--group", group)


def test_get_offset_shell(room: Room, tools: Tools) -> None:
    topic = room.topic(partitions=2)
    room.produce(topic, b"a", b"b", b"c", partition=1)
    ends = tools.run("GetOffsetShell", "--topic", topic, "--time", "latest")
    assert ends.split() == [f"{topic}:0:0", f"{topic}:1:3"]
    largest = tools.run("GetOffsetShell", "--topic-partitions", f"{topic}:1", "--time", "max-timestamp")
    assert largest.startswith(f"{topic}:1:")


def test_delete_records_command(room: Room, tools: Tools, tmp_path: Path) -> None:
    topic = room.topic()
    room.produce(topic, b"a", b"b", b"c")
    wanted = tmp_path / "offsets.json"
    place = {"topic": topic, "partition": 0, "offset": 2}
    wanted.write_text(json.dumps({"version": 1, "partitions": [place]}))
    answer = tools.run("DeleteRecordsCommand", "--offset-json-file", str(wanted))
    assert re.search(rf"partition: {topic}-0\s+low_watermark: 2", answer)
    assert room.values(topic, 2) == [b"c"]


def test_log_dirs_command(room: Room, tools: Tools) -> None:
    topic = room.topic(partitions=2)
    room.produce(topic, bytes(5_000))
    answer = tools.run("LogDirsCommand", "--describe", "--topic-list", topic)
    (broker,) = json.loads(answer.splitlines()[-1])["brokers"]
    (directory,) = broker["logDirs"]
    assert directory["error"] is None
    sizes = {row["partition"]: row["size"] for row in directory["partitions"]}
    assert sizes[f"{topic}-1"] == 0
    assert 5_000 < sizes[f"{topic}-0"] < 6_000


def test_transactions_command(room: Room, tools: Tools) -> None:
    topic, id_ = room.topic(), room.name("transactional")
    producer = room.transactional(id_)
    producer.begin_transaction()
    producer.produce(topic, b"open")
    assert producer.flush(TIMEOUT_S) == 0
    (listed,) = [row for row in tools.rows("TransactionsCommand", "list") if row["TransactionalId"] == id_]
    assert listed["TransactionState"] == "Ongoing"
    (described,) = tools.rows("TransactionsCommand", "describe", "--transactional-id", id_)
    assert described["ProducerId"] == listed["ProducerId"]
    assert described["TopicPartitions"] == f"{topic}-0"
    where = ["--topic", topic, "--partition", "0"]
    (writer,) = tools.rows("TransactionsCommand", "describe-producers", *where)
    assert (writer["ProducerId"], writer["CurrentTransactionStartOffset"]) == (listed["ProducerId"], "0")
    tools.run("TransactionsCommand", "abort", *where, "--start-offset", "0")
    assert room.values(topic) == []
    assert room.values(topic, isolation_level="read_uncommitted") == [b"open"]
    room.produce(topic, b"behind")
    assert room.values(topic) == [b"behind"]


@pytest.mark.parametrize("is_transactional", [False, True])
def test_performance_tools(room: Room, tools: Tools, is_transactional: bool) -> None:
    topic = room.topic(partitions=2)
    size = ["--num-records", "5000", "--record-size", "100", "--throughput", "-1", "--topic", topic]
    more = ["--transactional-id", room.name("transactional")] if is_transactional else []
    assert "5000 records sent" in tools.run("ProducerPerformance", *size, *more)
    sent = sum(len(room.values(topic, partition=partition)) for partition in range(2))
    assert sent == 5_000
    if not is_transactional:
        read = tools.rows("ConsumerPerformance", "--topic", topic, "--num-records", "5000")
        assert read


def test_cluster_tools(room: Room, tools: Tools) -> None:
    cluster_id = room.admin.list_topics(timeout=TIMEOUT_S).cluster_id
    assert tools.run("ClusterTool", "cluster-id") == f"Cluster ID: {cluster_id}\n"
    assert re.search(r"Produce\(0\): \d+ to \d+ \[usable: \d+\]", tools.run("BrokerApiVersionsCommand"))
