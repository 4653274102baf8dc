"""The topics that there are, each with its id, settings and partitions' logs; kept in the journal.

Answers no requests: `metadata.py`, `creation.py` and `configs.py` do, and other parts find their logs here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from uuid import UUID, uuid4

import msgspec
import structlog

from tidemill.broker.durability import Durable
from tidemill.broker.errors import Refused
from tidemill.broker.journal import Journal
from tidemill.broker.ports import LogDirectory, PartitionLog
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.settings import BrokerSettings
from tidemill.broker.topics.settings import TopicSettings, checked

log = structlog.get_logger(__name__)

NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
# What Apache Kafka keeps in these lives in the journal here; a client that names them is told that they are not there.
INTERNAL = frozenset({"__consumer_offsets", "__transaction_state"})


class TopicRecord(msgspec.Struct, frozen=True):
    """A topic as the journal keeps it."""

    id: UUID
    partitions: int
    settings: dict[str, str]


class Topic(msgspec.Struct, frozen=True):
    """A topic as it is now; every change makes a new one."""

    name: str
    id: UUID
    settings: TopicSettings
    logs: tuple[PartitionLog, ...]


class Topics:
    """`on_deleted` is called with the topic's name when it has gone."""

    def __init__(self, settings: BrokerSettings, journal: Journal, directory: LogDirectory) -> None:
        self._settings = settings
        self._directory = directory
        self._records = journal.table("topic", str, TopicRecord)
        self._topics: dict[str, Topic] = {}
        self._ids: dict[UUID, str] = {}
        self._partitions = 0
        self.on_deleted: list[Callable[[str], None]] = []
        self.durable: Durable = None
        """Done when what was changed last may be told."""

    def open(self) -> None:
        """Opens all logs, once, at the start. Raises `OSError`."""
        self._directory.retain({record.id for record in self._records.values()})
        for name, record in self._records.items():
            self._keep(self._opened(name, record))

    def __iter__(self) -> Iterator[Topic]:
        return iter(self._topics.values())

    def __contains__(self, name: str) -> bool:
        return name in self._topics

    def get(self, name: str) -> Topic | None:
        return self._topics.get(name)

    def of_id(self, topic_id: UUID) -> Topic | None:
        name = self._ids.get(topic_id)
        return self._topics[name] if name is not None else None

    def log(self, name: str, partition: int) -> PartitionLog:
        """Raises `Refused` with UNKNOWN_TOPIC_OR_PARTITION."""
        topic = self._topics.get(name)
        if topic is None or not 0 <= partition < len(topic.logs):
            raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return topic.logs[partition]

    def mentioned(self, name: str) -> Topic:
        """The topic, made if the broker makes topics that are mentioned. Raises `Refused`."""
        found = self._topics.get(name)
        if found is not None:
            return found
        self.check_name(name)
        if not self._settings.auto_create_topics or name in INTERNAL:
            raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return self.create(name, self._settings.num_partitions, {})

    def create(
        self, name: str, partitions: int, settings: Mapping[str, str | None], *, validate_only: bool = False
    ) -> Topic:
        """`partitions` -1 takes the broker's default. Raises `Refused`."""
        self.check_name(name)
        if name in self._topics:
            raise Refused(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
        count = self._settings.num_partitions if partitions == -1 else partitions
        self._check_room(count, is_new_topic=True)
        record = TopicRecord(uuid4(), count, checked(settings))
        if validate_only:
            return Topic(name, UUID(int=0), TopicSettings(record.settings), ())
        try:
            topic = self._opened(name, record)
            self.durable = self._records.put(name, record)
        except (OSError, Refused) as error:
            self._forget(name, record)
            raise _storage_error(error) from error
        log.debug("topic created", topic=name, partitions=count)
        return self._keep(topic)

    def delete(self, name: str) -> None:
        """Raises `Refused`."""
        topic = self._topics.get(name)
        if topic is None:
            raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        record = self._records[name]
        self.durable = self._records.delete(name)
        del self._topics[name], self._ids[topic.id]
        self._partitions -= len(topic.logs)
        self._forget(name, record)
        for tell in self.on_deleted:
            tell(name)
        log.debug("topic deleted", topic=name)

    def grow(self, name: str, partitions: int, *, validate_only: bool = False) -> None:
        """To this number of partitions. Raises `Refused`."""
        topic = self._topics.get(name)
        if topic is None:
            raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        missing = partitions - len(topic.logs)
        if missing <= 0:
            message = (
                f"Topic currently has {len(topic.logs)} partitions, which is not fewer than the {partitions} wanted."
            )
            raise Refused(ErrorCode.INVALID_PARTITIONS, message)
        self._check_room(missing, is_new_topic=False)
        if validate_only:
            return
        record = msgspec.structs.replace(self._records[name], partitions=partitions)
        try:
            grown = self._opened(name, record)
        except OSError as error:
            raise _storage_error(error) from error
        self.durable = self._records.put(name, record)
        self._keep(grown)

    def configure(self, name: str, given: Mapping[str, str | None], *, validate_only: bool = False) -> None:
        """Sets all that is set on the topic. Raises `Refused`."""
        topic = self._topics.get(name)
        if topic is None:
            raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        kept = checked(given)
        if validate_only:
            return
        self.durable = self._records.put(name, msgspec.structs.replace(self._records[name], settings=kept))
        changed = msgspec.structs.replace(topic, settings=TopicSettings(kept))
        for partition in changed.logs:
            partition.configure(changed.settings)
        self._keep(changed)

    def check_name(self, name: str) -> None:
        """Raises `Refused` where Kafka would."""
        if not NAME.fullmatch(name) or name in (".", ".."):
            message = f"Topic name is invalid: '{name}' is not 1 to 249 of letters, digits, '.', '_' and '-'"
            raise Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, message)

    def _check_room(self, partitions: int, *, is_new_topic: bool) -> None:
        if partitions < 1:
            raise Refused(ErrorCode.INVALID_PARTITIONS, "Number of partitions must be larger than 0.")
        if is_new_topic and len(self._topics) >= self._settings.topics_max:
            raise Refused(ErrorCode.POLICY_VIOLATION, f"This broker holds {self._settings.topics_max} topics at most.")
        if partitions + self._partitions > self._settings.partitions_max:
            message = f"This broker holds {self._settings.partitions_max} partitions at most."
            raise Refused(ErrorCode.POLICY_VIOLATION, message)

    def _opened(self, name: str, record: TopicRecord) -> Topic:
        settings = TopicSettings(record.settings)
        known = self._topics.get(name)
        logs = known.logs if known else ()
        opened = [
            self._directory.open(name, record.id, number, settings) for number in range(len(logs), record.partitions)
        ]
        return Topic(name, record.id, settings, (*logs, *opened))

    def _keep(self, topic: Topic) -> Topic:
        known = self._topics.get(topic.name)
        self._partitions += len(topic.logs) - (len(known.logs) if known else 0)
        self._topics[topic.name] = topic
        self._ids[topic.id] = topic.name
        return topic

    def _forget(self, name: str, record: TopicRecord) -> None:
        for partition in range(record.partitions):
            self._directory.delete(name, record.id, partition)


def _storage_error(error: OSError | Refused) -> Refused:
    if isinstance(error, Refused):
        return error
    return Refused(ErrorCode.KAFKA_STORAGE_ERROR, f"storage: {error.strerror}")
