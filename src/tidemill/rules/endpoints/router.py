"""A router at work: processors, the chain that `to` names, processors again. For messages from wherever.

Writes nothing; what is to happen are the effects of what it gives back.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidemill.graph.executor import Executor
from tidemill.graph.message import Message
from tidemill.graph.node import End, Result
from tidemill.graph.trails import Trails
from tidemill.rules.endpoints.exchange import Answer, Exchange
from tidemill.rules.endpoints.processors import Processor, run_all
from tidemill.rules.endpoints.target import Destination, Target

SKIP_NEXT, DEBUG = "_skipTellNext", "_debugMode"
"""Metadata that says how to run this one message: its first node only; with all nodes watched."""


class Passed(msgspec.Struct, gc=False):
    """What became of one message in `chain`, which is empty where it was no chain. `refusal`: it did not run, and why;
    `is_waiting`: it may later. `answers`: what the processors after the chain made of each end. Filtered is what a
    processor before the chain stopped."""

    result: Result | None = None
    chain: str = ""
    trails: Trails | None = None
    refusal: str | None = None
    is_waiting: bool = False
    is_filtered: bool = False
    answers: Sequence[Exchange] = ()


class Router:
    """`name` is that of its route. A chain is found anew for each batch: one that is edited keeps its endpoint."""

    def __init__(
        self, name: str, destination: Destination, before: Sequence[Processor] = (), after: Sequence[Processor] = ()
    ) -> None:
        self.name = name
        self.destination = destination
        self._before = before
        self.after = after

    @property
    def needs_exchanges(self) -> bool:
        return bool(self._before or self.after)

    async def run(self, executor: Executor, messages: Sequence[Message]) -> list[Passed]:
        """Without processors: for messages whose metadata nobody could set from outside. Raises `Unavailable`."""
        fixed = self.destination.fixed
        if fixed is None:
            passed = [Passed() for _ in messages]
            await self._through(executor, list(enumerate(messages)), passed)
            return passed
        graph = fixed.component or executor.graphs.graph(fixed.chain)
        if isinstance(graph, str):
            return [Passed(refusal=graph, is_waiting=True) for _ in messages]
        results, trails = await executor.run(graph, messages, fixed.node)
        chain = fixed.chain
        return [Passed(result, chain, trails) for result in results]

    async def exchange(self, executor: Executor, exchanges: Sequence[Exchange]) -> list[Passed]:
        """With all processors. Raises `Unavailable`."""
        await run_all(self._before, exchanges)
        passed = [Passed(refusal=each.failure, is_filtered=each.is_stopped) for each in exchanges]
        going = [(index, each.in_.message) for index, each in enumerate(exchanges) if each.goes_on]
        await self._through(executor, going, passed)
        if self.after:
            await self._answer(exchanges, passed)
        return passed

    async def _through(
        self, executor: Executor, messages: Sequence[tuple[int, Message]], passed: Sequence[Passed]
    ) -> None:
        """Those of one target, run in one way, together."""
        groups: dict[tuple[Target, bool, bool], list[tuple[int, Message]]] = {}
        for index, message in messages:
            target = self.destination.target(message.metadata)
            if isinstance(target, str):
                passed[index].refusal = target
                continue
            how = (message.metadata.get(SKIP_NEXT) == "true", message.metadata.get(DEBUG) == "true")
            groups.setdefault((target, *how), []).append((index, message))
        may_wait = self.destination.fixed is not None
        for (target, is_alone, is_watched), these in groups.items():
            await _run(executor, target, these, passed, may_wait=may_wait, is_alone=is_alone, is_watched=is_watched)

    async def _answer(self, exchanges: Sequence[Exchange], passed: Sequence[Passed]) -> None:
        ends = [each.result.ends if each.result is not None else () for each in passed]
        answers = await self.answers(list(zip(exchanges, ends, strict=True)))
        for each, these in zip(passed, answers, strict=True):
            each.answers = these

    async def answers(self, ended: Sequence[tuple[Exchange, Sequence[End]]]) -> Sequence[Sequence[Exchange]]:
        """What the processors after the chain make of ends, each for itself."""
        answers = [[Exchange(exchange.in_, _answer(exchange, end)) for end in ends] for exchange, ends in ended]
        await run_all(self.after, [answer for these in answers for answer in these])
        return answers


async def _run(
    executor: Executor,
    target: Target,
    messages: Sequence[tuple[int, Message]],
    passed: Sequence[Passed],
    *,
    may_wait: bool,
    is_alone: bool = False,
    is_watched: bool = False,
) -> None:
    """`may_wait`: whether a chain that cannot run is the router's fault, and not the message's."""
    graph = target.component or executor.graphs.graph(target.chain)
    if isinstance(graph, str):
        for index, _ in messages:
            passed[index].refusal = graph
            passed[index].is_waiting = may_wait
        return
    ways = {"is_followed": not is_alone, "is_watched": is_watched}
    results, trails = await executor.run(graph, [message for _, message in messages], target.node, **ways)
    for (index, _), result in zip(messages, results, strict=True):
        passed[index].result = result
        passed[index].chain = target.chain
        passed[index].trails = trails


def _answer(exchange: Exchange, end: End) -> Answer:
    """With what the processors before the chain have said already."""
    answer = Answer(end.message, end.error)
    answer.headers.update(exchange.out.headers)
    answer.body, answer.status = exchange.out.body, exchange.out.status
    return answer
