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
from tidemill.graph.node import SUCCESS, Batch
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
    count,
    listed,
    run_rounds,
    text_of,
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
    """A message, and what there is to go through: `keys` are those of an object. `at` is where it is."""

    looping: Looping
    items: Sequence[Any]
    keys: Sequence[str] = ()
    at: int = 0


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
        if self._mode == REPLACE or (self._mode != ASYNC and batch.may_break(self._entry)):
            await self._one_by_one(batch, loops)
        else:
            await self._together(batch, loops)
        for loop in loops:
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
        rounds = ((loop.looping, self._round(loop, at)) for loop in loops for at in _rounds(batch, loop))
        while some := list(islice(rounds, TOGETHER_MAX)):
            for looping, result in await run_rounds(batch, self._entry, some):
                if self._mode == ASYNC:
                    for effect in result.effects:
                        batch.effect(looping.index, effect)
                    looping.rounds += 1
                else:
                    _ = count(batch, looping, result)

    async def _one_by_one(self, batch: Batch, loops: Sequence[Looped]) -> None:
        """One item of each message at a time: the next may depend on it, or not come to pass."""
        while waiting := [loop for loop in loops if loop.at < len(loop.items) and not loop.looping.is_over]:
            for start in range(0, len(waiting), TOGETHER_MAX):
                some = waiting[start : start + TOGETHER_MAX]
                rounds = [(loop.looping, self._round(loop, loop.at)) for loop in some]
                for loop, (_, result) in zip(some, await run_rounds(batch, self._entry, rounds), strict=True):
                    loop.at += 1
                    last = count(batch, loop.looping, result)
                    if self._mode == REPLACE and last is not None:
                        loop.looping.message = last

    def _round(self, loop: Looped, at: int) -> Message:
        message = loop.looping.message
        if self._is_counting or (self._mode == REPLACE and at > 0):
            return with_metadata(message, _marks(loop, at))
        return message.told(data=text_of(loop.items[at]), metadata={**message.metadata, **_marks(loop, at)})

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


def _rounds(batch: Batch, loop: Looped) -> Iterator[int]:
    for at in range(len(loop.items)):
        if loop.looping.is_over:
            return
        yield at
        if batch.is_spent(loop.looping.index):
            return  # this one is told so, and there can be no other


def _marks(loop: Looped, at: int) -> dict[str, str]:
    marks = {INDEX: str(at), ITEM: text_of(loop.items[at]).decode("utf-8", "replace")}
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
        " it after its round. With mode 0, 1 and 3 rounds know nothing of each other, and are run together."
    ),
)
