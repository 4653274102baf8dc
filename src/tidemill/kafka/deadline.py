"""How long one call of a producer may still take, over all that it asks of the broker. Blocks; knows no producer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

from tidemill.core.clock import Clock
from tidemill.core.errors import Unavailable

T = TypeVar("T")

_NO_ANSWER = frozenset({KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError.REQUEST_TIMED_OUT})
_TURN_S = 2.0


class Deadline:
    def __init__(self, clock: Clock, timeout_s: float) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._end_s = 0.0
        self._is_over = False

    def begin(self) -> None:
        """Of a call."""
        self._end_s = self._clock.monotonic_s() + self._timeout_s

    def give_up(self) -> None:
        """From another thread: nothing is to come after what hangs now."""
        self._is_over = True

    def check(self) -> None:
        """Raises `Unavailable` once it was given up."""
        if self._is_over:
            raise Unavailable("this producer has been given up")

    def remaining_s(self) -> float:
        """Raises `Unavailable` where nothing remains."""
        self.check()
        remaining_s = self._end_s - self._clock.monotonic_s()
        if remaining_s <= 0:
            raise Unavailable(f"the broker did not answer within {self._timeout_s:.0f} s")
        return remaining_s

    def patiently(self, call: Callable[[float], T]) -> T:
        """Calls again after each timeout, in short turns: a producer that is given up meanwhile ends soon."""
        while True:
            try:
                return call(min(_TURN_S, self.remaining_s()))
            except KafkaException as error:
                if error.args[0].code() not in _NO_ANSWER or self._clock.monotonic_s() >= self._end_s:
                    raise
