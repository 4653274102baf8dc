"""Which topics can be published to. Asking makes a topic where the broker creates topics by itself. Blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping

from confluent_kafka import KafkaError, KafkaException, Producer

from tidemill.core.clock import Clock
from tidemill.kafka.refusal import PERMANENT_ERRORS

KNOWN_FOR_S = 30.0
WAIT_S = 5.0
"""How long a topic that is not there is waited for. Once; the next record for it is refused after one look."""

_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_FIRST_PAUSE_S = 0.05
_HOPELESS = frozenset({KafkaError.TOPIC_EXCEPTION, KafkaError.TOPIC_AUTHORIZATION_FAILED})


class Topics:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known_until_s: dict[str, float] = {}
        self._missing: set[str] = set()

    def missing(self, producer: Producer, names: set[str], timeout_s: float) -> dict[str, KafkaError]:
        """Those of the names that cannot be published to, each with the reason. Raises `KafkaException`
        where the broker cannot be asked, or has not made up its mind."""
        errors = self._ask(producer, self._unsure(names), timeout_s)
        pause_s, end_s = _FIRST_PAUSE_S, self._clock.monotonic_s() + min(WAIT_S, timeout_s)
        while (hopes := self._hopes(errors)) and self._clock.monotonic_s() + pause_s <= end_s:
            producer.poll(pause_s)
            pause_s *= 2
            settled = {name: error for name, error in errors.items() if name not in hopes}
            errors = settled | self._ask(producer, hopes, timeout_s)
        for error in errors.values():
            if error.code() not in PERMANENT_ERRORS:
                raise KafkaException(error)
        self._missing.update(errors)
        return errors

    def forget(self, name: str) -> None:
        """The broker said otherwise."""
        self._known_until_s.pop(name, None)

    def _unsure(self, names: set[str]) -> set[str]:
        now_s = self._clock.monotonic_s()
        return {name for name in names if self._known_until_s.get(name, 0.0) <= now_s}

    def _hopes(self, errors: Mapping[str, KafkaError]) -> set[str]:
        """Those that may be there soon, and have not been waited for in vain before."""
        return {name for name, error in errors.items() if error.code() not in _HOPELESS and name not in self._missing}

    def _ask(self, producer: Producer, names: set[str], timeout_s: float) -> dict[str, KafkaError]:
        errors = {}
        for name in names:
            error = _error(producer, name, timeout_s)
            if error is None:
                self._known_until_s[name] = self._clock.monotonic_s() + KNOWN_FOR_S
                self._missing.discard(name)
            else:
                errors[name] = error
        return errors


def _error(producer: Producer, name: str, timeout_s: float) -> KafkaError | None:
    if not _NAME.fullmatch(name) or name in (".", ".."):
        # Not every one of these can even be asked for.
        return KafkaError(KafkaError.TOPIC_EXCEPTION, "a topic's name has 1 to 249 of the characters a-z A-Z 0-9 . _ -")
    topic = producer.list_topics(name, timeout=timeout_s).topics[name]
    if topic.error is not None:
        error: KafkaError = topic.error
        return error
    return None
