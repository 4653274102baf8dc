"""A batch in one Kafka transaction, the cursor with it. Blocks; everything here runs on the publisher's thread.

Decides nothing about leases and writes nothing to the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tidemill.core.clock import Clock
from tidemill.core.errors import Unavailable
from tidemill.core.faults import Faults
from tidemill.ingest.outbox import NumberedBatch, OutboxRow
from tidemill.ingest.publication import Publication, hears_of_success
from tidemill.ingest.record import ID_HEADER
from tidemill.kafka.client import error_text, plain_producer_settings, producer_settings
from tidemill.kafka.cursor import Cursor
from tidemill.kafka.deadline import Deadline
from tidemill.kafka.integration import Integration
from tidemill.kafka.refusal import NO_TRANSACTIONS, PERMANENT_ERRORS, TOPIC_ERRORS, guilty
from tidemill.kafka.topics import Topics

CALL_TIMEOUT_S = 30.0
"""For everything that one batch takes. Past this and a little, the watchdog gives the producer up."""

_FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
_FLUSH_STEP_S = 1.0
_ROOM_STEP_S = 0.1
_LAST_CALL_S = 1.0

Place = tuple[int | None, int | None]
"""Partition and offset of a record that is out."""
_UNTOLD: Place = (None, None)


class Fenced(Unavailable):
    """Another producer with our transactional id has begun since."""


class Sent(msgspec.Struct, frozen=True):
    """What became of a batch, by row index: where those are that are out, and why some never will be. Rows in
    neither wait again. With transactions all are out or none. `is_ambiguous`: several failed together and
    nothing tells who is guilty, so the rest has to be tried in smaller parts."""

    out: Mapping[int, Place] = {}
    refused: Mapping[int, str] = {}
    is_ambiguous: bool = False


class BatchProducer:
    """After any exception it is of no more use: the next one asks the cursor what is out. After a refusal `is_open` is
    no more, and it has to be opened again: librdkafka does not always survive a transaction that begins behind one
    which ended before all was acknowledged. It found gaps in its own sequence numbers, and once ended the process.

    As a rule only records that somebody waits for are asked about one by one: a report costs as much as the record, and
    each has to wait for the interpreter. Whether all others are out too, the transaction says. Where one ends badly it
    is undone, and its records go out once more, each with a report that says who is guilty."""

    def __init__(
        self,
        integration: Integration,
        transactional_id: str,
        clock: Clock,
        faults: Faults,
        *,
        is_transactional: bool = True,
    ) -> None:
        self.is_transactional = is_transactional
        self._integration = integration
        self._transactional_id = transactional_id
        self._faults = faults
        self._topics = Topics(clock)
        self._producer: Producer | None = None
        self._cursor: Cursor | None = None
        self._deadline = Deadline(clock, CALL_TIMEOUT_S)
        self._reports_all = not is_transactional
        self._begun: int | None = None
        """The number of the batch for which a transaction is open that has its cursor and no records."""
        self._flight: Flight | None = None
        """Of a batch that was sent and waits for its `commit`."""

    @property
    def is_open(self) -> bool:
        return self._producer is not None

    def open(self) -> int | None:
        """Fences the predecessor, ends its transaction one way or the other, and returns the cursor after that.

        On a cluster without transactions it goes on without them. Raises `Unavailable`.
        """
        self._deadline.begin()
        with _translated():
            if self._cursor is None:
                self._cursor = Cursor(self._integration, self._transactional_id)
                self._deadline.patiently(self._cursor.prepare)
            if self.is_transactional:
                self._producer = Producer(producer_settings(self._integration, self._transactional_id))
                self.is_transactional = self._deadline.patiently(partial(_init_transactions, self._producer))
            if not self.is_transactional:
                self._producer = Producer(plain_producer_settings(self._integration))
            return self._deadline.patiently(self._cursor.read)

    def begin(self, number: int) -> None:
        """Opens the transaction of the batch that will have this number, with the cursor in it: Kafka needs a moment
        for the end of the last one, and answers nobody else as fast. Raises `Unavailable`."""
        self._deadline.begin()
        with _translated():
            self._begin_transaction(self._opened(), number)

    def send(self, batch: NumberedBatch) -> Sent | None:
        """Returns when the broker has the records; with transactions nobody sees them before `commit`. Where there is
        nothing to commit, it says what became of them. Raises `Unavailable`."""
        self._deadline.begin()
        producer, rows = self._opened(), batch.rows
        with _translated():
            missing = self._topics.missing(
                producer, {row.publication.topic for row in rows}, self._deadline.remaining_s()
            )
            if missing:
                topics = ((index, row.publication.topic) for index, row in enumerate(rows))
                return Sent(
                    refused={index: _refusal(topic, missing[topic]) for index, topic in topics if topic in missing}
                )
            flight = Flight()
            self._begin_transaction(producer, batch.number)
            self._begun = None
            try:
                _produce(
                    producer, rows, flight, self._deadline, reports_all=self._reports_all or not self.is_transactional
                )
                self._flush(producer, batch.number, flight)
            except KafkaException as error:
                if self._reports_all or not error.args[0].txn_requires_abort():
                    raise
                return self._given_up(producer, rows, flight)
            if flight.errors:
                return self._given_up(producer, rows, flight)
        self._flight = flight
        return None

    def commit(self, batch: NumberedBatch) -> Sent:
        """What was sent. Raises `Unavailable`: then the batch is out or not, and the cursor knows."""
        self._deadline.begin()
        producer, flight = self._opened(), self._flight
        self._flight = None
        if flight is None:
            raise Unavailable("nothing has been sent")
        self._faults.reached("inside_kafka_transaction")
        with _translated():
            try:
                self._commit(producer, batch.number)
            except KafkaException as error:
                if self._reports_all or not error.args[0].txn_requires_abort():
                    raise
                return self._given_up(producer, batch.rows, flight)
        self._faults.reached("after_kafka_commit")
        self._reports_all = not self.is_transactional
        return Sent(out=dict.fromkeys(range(len(batch.rows)), _UNTOLD) | flight.places)

    def let_go(self) -> None:
        """Undoes what was begun or sent, if something was. Raises `Unavailable`."""
        self._deadline.begin()
        with _translated():
            self._let_go(self._deadline.remaining_s())

    def refresh(self, number: int) -> None:
        """Commits the cursor alone: Kafka forgets the offsets of a group that is idle for long."""
        self._deadline.begin()
        with _translated():
            self._begin_transaction(self._opened(), number)
            self._begun = None
            self._commit(self._opened(), number)

    def abandon(self) -> None:
        """From another thread: whatever call hangs, nothing more is to come after it."""
        self._deadline.give_up()

    def close(self) -> None:
        with suppress(KafkaException):  # then the next one to open does it, or the broker after its time
            self._let_go(_LAST_CALL_S)
        self._drop_producer()
        if self._cursor is not None:
            self._cursor.close()
            self._cursor = None

    def _drop_producer(self) -> None:
        if self._producer is not None:
            self._producer.purge()
            self._producer = None
            self._begun = self._flight = None

    def _begin_transaction(self, producer: Producer, number: int) -> None:
        """The cursor goes first. Where Kafka is not done with the last transaction yet, librdkafka asks again after a
        millisecond for the cursor, and after 20 for records."""
        if not self.is_transactional or self._begun == number:
            return
        self._let_go(self._deadline.remaining_s())
        producer.begin_transaction()
        self._send_cursor(producer, number)
        self._begun = number

    def _let_go(self, timeout_s: float) -> None:
        """Only what the broker has acknowledged all of: see above."""
        if self._producer is not None and (self._begun is not None or self._flight is not None):
            self._begun = self._flight = None
            self._producer.abort_transaction(timeout_s)

    def _flush(self, producer: Producer, number: int, flight: Flight) -> None:
        """Until every record is acknowledged, or one of a transaction has failed: after that librdkafka sends no more
        of them."""
        while producer.flush(min(_FLUSH_STEP_S, self._deadline.remaining_s())) > 0:
            if self.is_transactional:
                if flight.errors:
                    return
                # Raises what has stopped the transaction, if something has: no record's report would say it.
                self._send_cursor(producer, number)

    def _given_up(self, producer: Producer, rows: Sequence[OutboxRow], flight: Flight) -> Sent:
        """Without an error of a record, only the transaction knows of one: then all of it waits again."""
        permanent = {index: error for index, error in flight.errors.items() if error.code() in PERMANENT_ERRORS}
        if flight.errors and not permanent:
            raise KafkaException(next(iter(flight.errors.values())))
        if self.is_transactional:
            producer.abort_transaction(self._deadline.remaining_s())
            self._drop_producer()
            self._reports_all = True
        for index, error in permanent.items():
            if error.code() in TOPIC_ERRORS:
                self._topics.forget(rows[index].publication.topic)
        sure = guilty(permanent, flight.partitions, flight.alone)
        return Sent(
            out={} if self.is_transactional else flight.places,
            refused={index: _refusal(rows[index].publication.topic, permanent[index]) for index in sure},
            is_ambiguous=len(sure) < len(permanent),
        )

    def _commit(self, producer: Producer, number: int) -> None:
        if not self.is_transactional:
            self._opened_cursor().store(number)
            return
        self._deadline.check()
        producer.commit_transaction(self._deadline.remaining_s())

    def _send_cursor(self, producer: Producer, number: int) -> None:
        self._deadline.check()
        cursor = self._opened_cursor()
        producer.send_offsets_to_transaction(
            cursor.offsets(number), cursor.group_metadata(), self._deadline.remaining_s()
        )

    def _opened(self) -> Producer:
        if self._producer is None:
            raise Unavailable("the producer is closed")
        return self._producer

    def _opened_cursor(self) -> Cursor:
        if self._cursor is None:
            raise Unavailable("the producer is closed")
        return self._cursor


class Flight:
    """What the broker says of each record of one batch, by row index."""

    def __init__(self) -> None:
        self.places: dict[int, Place] = {}
        self.errors: dict[int, KafkaError] = {}
        self.partitions: dict[int, tuple[str, int]] = {}
        self.alone: set[int] = set()
        """Those that librdkafka did not even take."""

    def delivered(self, index: int, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.places[index] = (message.partition(), message.offset())
        else:
            self.errors[index] = error
            self.partitions[index] = (message.topic() or "", message.partition() or 0)

    def not_accepted(self, index: int, error: KafkaError) -> None:
        self.errors[index] = error
        self.alone.add(index)


def _produce(
    producer: Producer, rows: Sequence[OutboxRow], flight: Flight, deadline: Deadline, *, reports_all: bool
) -> None:
    for index, row in enumerate(rows):
        publication = row.publication
        headers = _headers(publication)
        partition = -1 if publication.partition is None else publication.partition
        is_told = reports_all or hears_of_success(publication)
        on_delivery = partial(flight.delivered, index) if is_told else None
        while True:
            try:
                producer.produce(
                    publication.topic,
                    publication.value,
                    publication.key,
                    partition,
                    on_delivery=on_delivery,
                    headers=headers,
                )
            except BufferError:
                producer.poll(min(_ROOM_STEP_S, deadline.remaining_s()))
                continue
            except KafkaException as error:
                flight.not_accepted(index, error.args[0])
            break


def sent_id(publication: Publication) -> bytes:
    """What the record carries as `tidemill-id`."""
    return dict(publication.headers).get(ID_HEADER) or publication.id.encode()


def _refusal(topic: str, error: KafkaError) -> str:
    return f"topic {topic!r}: {error_text(error)}"


def _headers(publication: Publication) -> list[tuple[str, str | bytes | None]]:
    own = publication.headers
    for name, _ in own:
        if name == ID_HEADER:
            return [*own]
    return [*own, (ID_HEADER, publication.id.encode())]


def _init_transactions(producer: Producer, timeout_s: float) -> bool:
    try:
        producer.init_transactions(timeout_s)
    except KafkaException as error:
        if error.args[0].code() in NO_TRANSACTIONS:
            return False
        raise
    return True


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except KafkaException as exception:
        error: KafkaError = exception.args[0]
        if error.code() in _FENCED:
            raise Fenced(error_text(error)) from exception
        raise Unavailable(error_text(error)) from exception
