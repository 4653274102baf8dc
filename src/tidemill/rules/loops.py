"""What loops over messages have in common: the marks in their metadata, and rounds that are run together.

Knows no expression.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from tidemill.graph.message import Message
from tidemill.graph.node import FAILURE, Batch, End, Result

BREAK, BREAKS = "_break", "1"
INDEX, ITEM, KEY = "_loopIndex", "_loopItem", "_loopKey"

IGNORE, MERGE, REPLACE, ASYNC = 0, 1, 2, 3
Mode = Literal[0, 1, 2, 3]

TOGETHER_MAX = 5_000
"""How many messages are run in one go."""

_encode = msgspec.json.Encoder().encode
_raw = msgspec.json.Decoder(msgspec.Raw).decode


class Looping(msgspec.Struct):
    """One message in its loop. `message` is what the next round begins with, `rounds` how many were; `found` is the
    data of all ends, in order. `is_over`: no more rounds, for the `reason` that is given where it failed. `is_held`: it
    waits for a round."""

    index: int
    message: Message
    rounds: int = 0
    found: list[msgspec.Raw] = []
    metadata: dict[str, str] = {}
    is_over: bool = False
    reason: str | None = None
    is_held: bool = False


class Paused(msgspec.Struct):
    """A loop of which a round is held."""

    message: Message
    rounds: int
    found: list[bytes]
    metadata: dict[str, str]

    @classmethod
    def of(cls, looping: Looping) -> Paused:
        return cls(looping.message, looping.rounds, list(map(bytes, looping.found)), looping.metadata)

    def looping(self, index: int) -> Looping:
        return Looping(index, self.message, self.rounds, list(map(msgspec.Raw, self.found)), self.metadata)


def wait(batch: Batch, looping: Looping, result: Result, state: bytes) -> None:
    """For the round that is held. What it has caused is kept."""
    for effect in result.effects:
        batch.effect(looping.index, effect)
    looping.is_held = True
    batch.wait(looping.index, [result], state)


async def run_rounds(
    batch: Batch, entry: str, rounds: Sequence[tuple[Looping, Message]]
) -> list[tuple[Looping, Result]]:
    """All of them at once. Their effects are not kept: see `count`."""
    await asyncio.sleep(0)  # nodes may need nothing but this process: others are to have their turn
    given = [(looping.index, message) for looping, message in rounds]
    results = await batch.inside(entry, given, is_kept=False)
    return [(looping, result) for (looping, _), result in zip(rounds, results, strict=True)]


def count(batch: Batch, looping: Looping, result: Result) -> Message | None:
    """Enters what came of a round, unless the loop was over before; its effects are kept then. Returns the last message
    of it, None where it told none."""
    if looping.is_over:
        return None
    for effect in result.effects:
        batch.effect(looping.index, effect)
    looping.rounds += 1
    last: Message | None = None
    for end in result.ends:
        reason = _reason(end)
        if reason is not None:
            looping.is_over, looping.reason = True, f"round {looping.rounds}: {reason}"
            return None
        last = end.message
        looping.metadata.update(last.metadata)
        looping.found.append(_item(last))
    if looping.metadata.pop(BREAK, None) == BREAKS:
        looping.is_over = True
    if last is not None and BREAK in last.metadata:
        return last.told(metadata={key: text for key, text in last.metadata.items() if key != BREAK})
    return last


def text_of(value: Any) -> bytes:
    """A text is itself, anything else its JSON."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else _encode(value)


def listed(looping: Looping) -> bytes:
    return _encode(looping.found)


def with_metadata(message: Message, more: Mapping[str, str]) -> Message:
    return message.told(metadata={**message.metadata, **more})


def _reason(end: End) -> str | None:
    if end.error is not None:
        return f"{end.node}: {end.error}"
    return f"{end.node} told Failure" if end.relation == FAILURE else None


def _item(message: Message) -> msgspec.Raw:
    """JSON as it is written; what is none as a text."""
    if message.data_type == "JSON":
        try:
            return msgspec.Raw(bytes(_raw(message.data)))
        except (msgspec.DecodeError, RecursionError):
            pass
    return msgspec.Raw(_encode(message.data.hex() if message.data_type == "BINARY" else message.text))
