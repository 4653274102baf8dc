"""The rules of a transactional id, as Apache Kafka's coordinator has them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec
import pytest

from tidemill.broker.errors import Refused
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.transactions.transaction import (
    EPOCH_END,
    EPOCH_MAX,
    Producer,
    State,
    Transaction,
    added,
    check_producer,
    completed,
    ended,
    fenced,
    initialized,
    is_expired,
    is_overdue,
)

NEW = Transaction(7, 3, 60_000, 0)


def begun(found: Transaction | None, expected: Producer | None = None, fresh_id: int = 99) -> Transaction:
    return initialized(found, expected, timeout_ms=60_000, now_ms=5, fresh_id=lambda: fresh_id)


def open_(found: Transaction = NEW) -> Transaction:
    return added(found, partitions=[("a", 0)], groups=["g"], now_ms=1)


def refusal_of(call: Callable[[], object]) -> ErrorCode:
    with pytest.raises(Refused) as refusal:
        call()
    return refusal.value.code


def test_first_producer_and_its_successor() -> None:
    first = begun(None)
    assert first.producer == Producer(99, 0)
    assert begun(first).producer == Producer(99, 1)


def test_producer_is_checked_by_id_and_epoch() -> None:
    assert check_producer(NEW, Producer(7, 3)) is NEW
    assert refusal_of(lambda: check_producer(None, Producer(7, 3))) == ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert refusal_of(lambda: check_producer(NEW, Producer(8, 3))) == ErrorCode.INVALID_PRODUCER_ID_MAPPING
    for epoch in (2, 4):
        assert refusal_of(partial(check_producer, NEW, Producer(7, epoch))) == ErrorCode.PRODUCER_FENCED


def test_producer_that_says_who_it_was() -> None:
    again = begun(NEW, Producer(7, 3))
    assert again.producer == Producer(7, 4)
    assert begun(again, Producer(7, 3)).producer == Producer(7, 4)  # the answer was lost
    assert refusal_of(lambda: begun(again, Producer(7, 2))) == ErrorCode.PRODUCER_FENCED
    assert refusal_of(lambda: begun(again, Producer(8, 4))) == ErrorCode.PRODUCER_FENCED
    successor = begun(again)
    assert refusal_of(lambda: begun(successor, Producer(7, 3))) == ErrorCode.PRODUCER_FENCED
    assert refusal_of(lambda: begun(successor, Producer(7, 4))) == ErrorCode.PRODUCER_FENCED


def test_question_of_long_ago_does_not_touch_what_was_begun_since() -> None:
    busy = open_(begun(NEW, Producer(7, 3)))
    assert refusal_of(lambda: begun(busy, Producer(7, 3))) == ErrorCode.PRODUCER_FENCED


def test_epochs_that_are_used_up() -> None:
    last = msgspec.structs.replace(NEW, producer_epoch=EPOCH_MAX - 1)
    last = begun(last)
    assert last.producer == Producer(7, EPOCH_MAX)
    fresh = begun(last)
    assert fresh.producer == Producer(99, 0)
    assert begun(fresh, fresh_id=100).producer == Producer(99, 1)


@pytest.mark.parametrize("is_open", [False, True])
def test_epochs_that_are_used_up_by_a_producer_that_says_who_it_was(is_open: bool) -> None:
    """It finds its new id also when the first answer was lost; nobody else of the old id does."""
    last = msgspec.structs.replace(NEW, producer_epoch=EPOCH_MAX)
    if is_open:
        last = completed(fenced(open_(last), is_for_itself=True, now_ms=2), now_ms=3)
        assert last.producer_epoch == EPOCH_END
    expected = Producer(7, EPOCH_MAX)
    fresh = begun(last, expected)
    assert fresh.producer == Producer(99, 0)
    assert begun(fresh, expected, fresh_id=100).producer == Producer(99, 0)
    assert refusal_of(lambda: begun(fresh, Producer(7, EPOCH_MAX - 1))) == ErrorCode.PRODUCER_FENCED
    later = begun(fresh, Producer(99, 0))
    assert refusal_of(lambda: begun(later, expected)) == ErrorCode.PRODUCER_FENCED
    assert refusal_of(lambda: begun(later, Producer(7, 0))) == ErrorCode.PRODUCER_FENCED


def test_fencing_shuts_out_who_has_the_last_epoch() -> None:
    open_last = open_(msgspec.structs.replace(NEW, producer_epoch=EPOCH_MAX))
    aborting = fenced(open_last, is_for_itself=False, now_ms=2)
    assert (aborting.producer_epoch, aborting.state) == (EPOCH_END, State.PREPARE_ABORT)
    assert begun(completed(aborting, now_ms=3)).producer == Producer(99, 0)


def test_producer_that_aborts_its_own_transaction_gets_the_next_epoch() -> None:
    aborted = completed(fenced(open_(), is_for_itself=True, now_ms=2), now_ms=3)
    assert begun(aborted, Producer(7, 3)).producer == Producer(7, 4)
    assert begun(aborted).producer == Producer(7, 5)


def test_begins_nothing_before_the_last_end() -> None:
    for found in (open_(), ended(open_(), is_committed=True, now_ms=2)):
        assert refusal_of(partial(begun, found)) == ErrorCode.CONCURRENT_TRANSACTIONS


def test_adding() -> None:
    first = open_()
    assert (first.state, first.started_ms) == (State.ONGOING, 1)
    assert added(first, partitions=[("a", 0)], groups=["g"], now_ms=9) is first
    second = added(first, partitions=[("b", 0)], now_ms=9)
    assert (second.partitions, second.started_ms) == (frozenset({("a", 0), ("b", 0)}), 1)
    done = completed(ended(second, is_committed=True, now_ms=10), now_ms=11)
    assert (done.partitions, done.groups) == (frozenset(), frozenset())
    third = added(done, partitions=[("a", 1)], now_ms=12)
    assert (third.partitions, third.started_ms) == (frozenset({("a", 1)}), 12)
    prepared = ended(third, is_committed=False, now_ms=13)
    refused = refusal_of(lambda: added(prepared, partitions=[("b", 0)], now_ms=14))
    assert refused == ErrorCode.CONCURRENT_TRANSACTIONS


@pytest.mark.parametrize("is_committed", [True, False])
def test_end_that_comes_again(is_committed: bool) -> None:
    prepared = ended(open_(), is_committed=is_committed, now_ms=2)
    done = completed(prepared, now_ms=3)
    for found in (prepared, done):
        assert ended(found, is_committed=is_committed, now_ms=4) is found
        other = refusal_of(partial(ended, found, is_committed=not is_committed, now_ms=4))
        assert other == ErrorCode.INVALID_TXN_STATE
    assert refusal_of(lambda: ended(NEW, is_committed=is_committed, now_ms=4)) == ErrorCode.INVALID_TXN_STATE


def test_what_time_does() -> None:
    assert not is_overdue(open_(), 60_001)
    assert is_overdue(open_(), 60_002)
    assert not is_overdue(ended(open_(), is_committed=True, now_ms=2), 60_002)
    assert is_expired(NEW, 1_000, after_ms=1_000)
    assert not is_expired(NEW, 999, after_ms=1_000)
    assert not is_expired(open_(), 10_000, after_ms=1_000)
