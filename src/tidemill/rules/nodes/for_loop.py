"""for: runs a node or a chain once for each item of a list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from pydantic import Field

from tidemill.core.findings import Finding
from tidemill.expressions.exprlang import EvaluationError
from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import SUCCESS, Batch, Result, Waited
from tidemill.rules.fields.seen import environment
from tidemill.rules.fields.written import do_entry, do_findings, expression_findings, expression_of, nodes_of
from tidemill.rules.loops import (
    ASYNC,
    INDEX,
    ITEM,
    KEY,
    MERGE,
    REPLACE,
    TOGETHER_MAX,
    Looping,
    Mode,
    Paused,
    count,
    listed,
    run_rounds,
    text_of,
    wait,
    with_metadata,
)
from tidemill.rules.site import Site

_INNER = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")


class ForConfig(Config):
    range_: str = Field(
        "1..3", alias="range", description="An expression: a list, an object, or a range as 1..3; empty is the data."
    )
    do: str = Field(min_length=1, description="What is run for each item: a node, or `chain:id`.")
    mode: Mode = Field(
        0, description="0 ignores what comes of the rounds, 1 lists it, 2 goes on with it, 3 ignores failures, too."
    )


class Looped(msgspec.Struct):
    """A message, and what there is to go through: `keys` are those of an object. `at` is where it is. `are_texts`: the
    items are already what the rounds have as their data."""

    looping: Looping
    items: Sequence[Any]
    keys: Sequence[str] = ()
    at: int = 0
    are_texts: bool = False

    def text(self, at: int) -> bytes:
        item = self.items[at]
        return item if self.are_texts else text_of(item)


class PausedFor(msgspec.Struct):
    """The texts are empty up to the round that is held."""

    loop: Paused
    texts: Sequence[bytes]
    keys: Sequence[str]
    at: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PausedFor).decode


class For:
    def __init__(self, config: ForConfig, site: Site) -> None:
        self._site = site
        self._range = expression_of(config.range_) if config.range_.strip() else None
        self._nodes = nodes_of(config.range_)
        self._is_counting = self._range is not None and _is_counting(self._range.source)
        self._entry = do_entry(config.do)
        self._mode = config.mode

    async def process(self, batch: Batch) -> None:
        loops = [loop for index in range(len(batch.items)) if (loop := self._begin(batch, index)) is not None]
        if self._mode == REPLACE or (self._mode != ASYNC and self._is_in_order(batch)):
            await self._one_by_one(batch, loops)
        else:
            await self._together(batch, loops)
        self._end_all(batch, loops)

    async def go_on(self, batch: Batch, waited: Sequence[Waited]) -> None:
        loops = []
        for index, each in enumerate(waited):
            if self._mode == ASYNC:
                _wait_apart(batch, index, each.results)
            else:
                loop = _taken_up(index, each.state)
                self._enter(batch, loop, each.results[0])
                loops.append(loop)
        await self._one_by_one(batch, loops)
        self._end_all(batch, loops)

    def _is_in_order(self, batch: Batch) -> bool:
        """A round that waits may fail later, and then those after it are not to have been."""
        return any(place.may_break or place.may_hold for place in batch.reached(self._entry))

    def _end_all(self, batch: Batch, loops: Sequence[Looped]) -> None:
        for loop in loops:
            if not loop.looping.is_held:
                self._end(batch, loop)

    def _begin(self, batch: Batch, index: int) -> Looped | None:
        message = batch.items[index].message
        try:
            found = self._found(batch, index, message)
        except EvaluationError as error:
            batch.fail(index, str(error))
            return None
        looping = Looping(index, message, metadata=dict(message.metadata))
        if isinstance(found, Mapping):
            return Looped(looping, list(found.values()), list(found))
        if isinstance(found, list | tuple):
            return Looped(looping, found)
        batch.fail(index, "there is nothing to go through: the range is no list and no object")
        return None

    def _found(self, batch: Batch, index: int, message: Message) -> Any:
        if self._range is None:
            return message.value()
        return self._range.evaluate(environment(batch, index, self._site, self._nodes))

    async def _together(self, batch: Batch, loops: Sequence[Looped]) -> None:
        """All items of all messages at once, as far as they are few enough."""
        held: dict[int, list[Result]] = {}
        by_index = {loop.looping.index: loop for loop in loops}
        rounds = ((loop.looping, self._round(loop, at)) for loop in loops for at in _rounds(batch, loop))
        while some := list(islice(rounds, TOGETHER_MAX)):
            for looping, result in await run_rounds(batch, self._entry, some):
                if self._mode == ASYNC:
                    for effect in result.effects:
                        batch.effect(looping.index, effect)
                    looping.rounds += 1
                    if result.is_held:
                        held.setdefault(looping.index, []).append(result)
                elif not looping.is_held:  # else it was too early for this one
                    self._enter(batch, by_index[looping.index], result)
        for index, results in held.items():
            _wait_apart(batch, index, results)

    async def _one_by_one(self, batch: Batch, loops: Sequence[Looped]) -> None:
        """One item of each message at a time: the next may depend on it, or not come to pass."""
        while waiting := [loop for loop in loops if _goes_on(loop)]:
            for start in range(0, len(waiting), TOGETHER_MAX):
                some = waiting[start : start + TOGETHER_MAX]
                rounds = [(loop.looping, self._round(loop, loop.at)) for loop in some]
                for loop, (_, result) in zip(some, await run_rounds(batch, self._entry, rounds), strict=True):
                    self._enter(batch, loop, result)

    def _enter(self, batch: Batch, loop: Looped, result: Result) -> None:
        if result.is_held:
            wait(batch, loop.looping, result, _state(loop))
            return
        loop.at += 1
        last = count(batch, loop.looping, result)
        if self._mode == REPLACE and last is not None:
            loop.looping.message = last

    def _round(self, loop: Looped, at: int) -> Message:
        message = loop.looping.message
        if self._is_counting or (self._mode == REPLACE and at > 0):
            return with_metadata(message, _marks(loop, at))
        return message.told(data=loop.text(at), metadata={**message.metadata, **_marks(loop, at)})

    def _end(self, batch: Batch, loop: Looped) -> None:
        looping = loop.looping
        message = batch.items[looping.index].message
        marks = _marks(loop, looping.rounds - 1) if looping.rounds else {}
        if looping.reason is not None:
            batch.fail(looping.index, looping.reason, with_metadata(message, _marks(loop, looping.rounds - 1)))
        elif self._mode == REPLACE:
            batch.tell(looping.index, SUCCESS, with_metadata(looping.message, marks))
        elif self._mode == ASYNC:
            batch.tell(looping.index, SUCCESS, with_metadata(message, marks))
        else:
            data = listed(looping) if self._mode == MERGE else message.data
            batch.tell(looping.index, SUCCESS, message.told(data=data, metadata={**marks, **looping.metadata}))


def _goes_on(loop: Looped) -> bool:
    return loop.at < len(loop.items) and not loop.looping.is_over and not loop.looping.is_held


def _state(loop: Looped) -> bytes:
    texts = [loop.text(at) if at >= loop.at else b"" for at in range(len(loop.items))]
    return _encode(PausedFor(Paused.of(loop.looping), texts, loop.keys, loop.at))


def _taken_up(index: int, state: bytes) -> Looped:
    paused = _decode(state)
    return Looped(paused.loop.looping(index), paused.texts, paused.keys, paused.at, are_texts=True)


def _wait_apart(batch: Batch, index: int, results: Sequence[Result]) -> None:
    """For rounds that nobody asks for any more: the message has gone on."""
    held = [result.rest(with_ends=False) for result in results if result.is_held]
    if held:
        batch.wait(index, held, is_awaited=False)
    else:
        batch.take(index)


def _rounds(batch: Batch, loop: Looped) -> Iterator[int]:
    for at in range(len(loop.items)):
        if loop.looping.is_over or loop.looping.is_held:
            return
        yield at
        if batch.is_spent(loop.looping.index):
            return  # this one is told so, and there can be no other


def _marks(loop: Looped, at: int) -> dict[str, str]:
    marks = {INDEX: str(at), ITEM: loop.text(at).decode("utf-8", "replace")}
    if loop.keys:
        marks[KEY] = loop.keys[at]
    return marks


def _is_counting(text: str) -> bool:
    """A range of whole numbers only counts: the rounds keep the message's data."""
    before = ""
    while text != before:
        before, text = text, _INNER.sub("", text)
    return ".." in text and "|" not in text


def _check(config: ForConfig, site: Site) -> Iterator[Finding]:
    if config.range_.strip():
        yield from expression_findings(site, "range", config.range_)
    yield from do_findings(site, config.do)


def _build(config: ForConfig, site: Site) -> For:
    return For(config, site)


COMPONENT = Component(
    "for",
    "flow",
    "Runs a node, with all that follows it, or a chain, once for each item of a list.",
    ForConfig,
    _build,
    check=_check,
    entries=lambda config: [("do", do_entry(config.do))],
    asks_for=lambda config: nodes_of(config.range_),
    examples=({"range": "msg.items", "do": "s3", "mode": 1}, {"range": "1..3", "do": "chain:notify"}),
    notes=(
        "A round has the item as its data, and as metadata `_loopIndex`, `_loopItem` and, of an object, `_loopKey`. In"
        " a range of numbers it keeps the message's data. A round that fails ends the loop by Failure; a `break` ends"
        " it after its round. With mode 0, 1 and 3 rounds know nothing of each other, and are run together, unless one"
        " may be held up: then the next waits for it, and with mode 3 nobody."
    ),
)
