"""while: runs a node or a chain as long as a condition holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from pydantic import Field

from tidemill.core.findings import Finding
from tidemill.expressions.exprlang import EvaluationError
from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import SUCCESS, Batch, Result, Waited
from tidemill.rules.fields.seen import environment, seen_of
from tidemill.rules.fields.written import do_entry, do_findings, expression_findings, expression_of, nodes_of
from tidemill.rules.loops import (
    IGNORE,
    INDEX,
    MERGE,
    TOGETHER_MAX,
    Looping,
    Paused,
    count,
    listed,
    run_rounds,
    wait,
    with_metadata,
)
from tidemill.rules.site import Site

ROUNDS, ROUNDS_MAX = 1_000, 10_000
"""Unless `maxRounds` says more; a thousand take a few seconds."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Paused).decode


class WhileConfig(Config):
    condition: str = Field(
        "msg.count==nil || msg.count < 3", min_length=1, description="An expression, worked out before each round."
    )
    do: str = Field(min_length=1, description="What is run in each round: a node, or `chain:id`.")
    mode: Literal[0, 1, 2] = Field(
        2, description="0 goes on with the message that came in, 1 with the list of all results, 2 with the last."
    )
    rounds_max: int = Field(
        ROUNDS,
        alias="maxRounds",
        ge=1,
        le=ROUNDS_MAX,
        description="After how many rounds the loop fails: it might never end. All loops of a message together have"
        " some 2,400 rounds with a script.",
    )


class While:
    def __init__(self, config: WhileConfig, site: Site) -> None:
        self._site = site
        self._condition = expression_of(config.condition)
        self._nodes = nodes_of(config.condition)
        self._entry = do_entry(config.do)
        self._mode = config.mode
        self._rounds_max = config.rounds_max

    async def process(self, batch: Batch) -> None:
        await self._go_round(batch, [Looping(index, item.message) for index, item in enumerate(batch.items)])

    async def go_on(self, batch: Batch, waited: Sequence[Waited]) -> None:
        going = []
        for index, each in enumerate(waited):
            looping = _decode(each.state).looping(index)
            if each.results[0].is_held:
                self._wait(batch, looping, each.results[0])
            else:
                self._count(batch, looping, each.results[0])
                going.append(looping)
        await self._go_round(batch, going)

    async def _go_round(self, batch: Batch, going: Sequence[Looping]) -> None:
        while going := [looping for looping in going if self._goes_on(batch, looping)]:
            for start in range(0, len(going), TOGETHER_MAX):
                await self._round(batch, going[start : start + TOGETHER_MAX])

    async def _round(self, batch: Batch, going: Sequence[Looping]) -> None:
        rounds = [(looping, looping.message) for looping in going]
        for looping, result in await run_rounds(batch, self._entry, rounds):
            if result.is_held:
                self._wait(batch, looping, result)
            else:
                self._count(batch, looping, result)

    def _wait(self, batch: Batch, looping: Looping, result: Result) -> None:
        wait(batch, looping, result, _encode(Paused.of(looping)))

    def _count(self, batch: Batch, looping: Looping, result: Result) -> None:
        last = count(batch, looping, result)
        if last is not None:
            looping.message = last
        if self._mode != MERGE:
            looping.found.clear()

    def _goes_on(self, batch: Batch, looping: Looping) -> bool:
        """Tells the message on where its loop is over."""
        if looping.is_held:
            return False
        if looping.is_over:
            self._end(batch, looping)
            return False
        looping.message = with_metadata(looping.message, {INDEX: str(looping.rounds)})
        try:
            holds = _is_true(self._condition.evaluate(self._seen(batch, looping)))
        except EvaluationError as error:
            batch.fail(looping.index, str(error), looping.message)
            return False
        if not holds:
            self._end(batch, looping)
            return False
        if looping.rounds >= self._rounds_max:
            reason = f"the loop {self._site.node} went round {looping.rounds} times, and its condition still holds"
            batch.fail(looping.index, reason, looping.message)
            return False
        return True

    def _seen(self, batch: Batch, looping: Looping) -> dict[str, Any]:
        return {**environment(batch, looping.index, self._site, self._nodes), **seen_of(looping.message)}

    def _end(self, batch: Batch, looping: Looping) -> None:
        if looping.reason is not None:
            batch.fail(looping.index, looping.reason, looping.message)
        elif self._mode == IGNORE:
            batch.tell(looping.index, SUCCESS)
        else:
            batch.tell(looping.index, SUCCESS, self._result(looping))

    def _result(self, looping: Looping) -> Message:
        return looping.message.told(data=listed(looping)) if self._mode == MERGE else looping.message


def _is_true(value: Any) -> bool:
    if isinstance(value, str):
        return value.lower() == "true"
    return isinstance(value, bool | int | float) and bool(value)


def _check(config: WhileConfig, site: Site) -> Iterator[Finding]:
    yield from expression_findings(site, "condition", config.condition)
    yield from do_findings(site, config.do)


def _build(config: WhileConfig, site: Site) -> While:
    return While(config, site)


COMPONENT = Component(
    "while",
    "flow",
    "Runs a node, with all that follows it, or a chain, as long as a condition holds.",
    WhileConfig,
    _build,
    check=_check,
    entries=lambda config: [("do", do_entry(config.do))],
    asks_for=lambda config: nodes_of(config.condition),
    examples=({"condition": "msg.count < 5", "do": "s3"},),
    notes=(
        "The condition sees the message as the last round left it; `metadata._loopIndex` counts the rounds. A round"
        " that fails ends the loop by Failure, and so does one more than `maxRounds`; a `break` ends it after its"
        " round. Where a round is held up, the loop waits for it."
    ),
)
