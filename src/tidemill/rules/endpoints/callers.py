"""Those who sent what a run that waits descends from: a record is responded to when its branches end, and a request has
its answer, in whichever process the run goes on (`rules.waiting.held.Callers`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from tidemill.core.clock import Clock
from tidemill.core.errors import BadInput, Unavailable
from tidemill.graph.node import Result
from tidemill.rules.chains.compiled import Chains
from tidemill.rules.endpoints.exchange import Exchange, Received, failures_of, saying
from tidemill.rules.endpoints.response import responses
from tidemill.rules.endpoints.route import headers_of
from tidemill.rules.endpoints.router import Router
from tidemill.rules.waiting.held import HeldRun, RunAnswer, RunAnswers

LOOK_EVERY_S = 0.5
"""How often who asks looks for the answer of another process."""


class _Responding(msgspec.Struct, frozen=True):
    router: Router
    source: str
    integration: str


class EndpointCallers:
    def __init__(self, chains: Chains, runs: RunAnswers, clock: Clock) -> None:
        self._chains = chains
        self._runs = runs
        self._clock = clock
        self._asked: dict[str, asyncio.Future[RunAnswer]] = {}
        self._revision = -1
        self._routes: dict[str, _Responding] = {}

    async def respond(self, runs: Sequence[tuple[HeldRun, Result]]) -> Sequence[str | None]:
        """By the endpoint as it is now; one that is gone responds no more."""
        self._look()
        reasons: list[str | None] = [None] * len(runs)
        by_route: dict[str, list[int]] = {}
        for place, (run, result) in enumerate(runs):
            if result.ends and run.origin.route in self._routes:
                by_route.setdefault(run.origin.route, []).append(place)
        for name, places in by_route.items():
            route = self._routes[name]
            ended = [(_exchange(runs[place][0], route.source), runs[place][1].ends) for place in places]
            for place, answers in zip(places, await route.router.answers(ended), strict=True):
                reasons[place] = self._respond(*runs[place], route, answers)
        return reasons

    def _respond(self, run: HeldRun, result: Result, route: _Responding, answers: Sequence[Exchange]) -> str | None:
        reasons = failures_of(answers)
        mark = f"response:{run.id}:{run.revision}"
        try:
            found = responses(answers, route.integration, mark, self._clock.now_ms())
            result.effects = [*result.effects, *found]
        except BadInput as error:
            reasons.append(str(error))
        return "; ".join(reasons) or None

    def _look(self) -> None:
        revision = self._chains.revision
        if revision == self._revision:
            return
        self._revision, self._routes = revision, {}
        for chain in self._chains.by_id.values():
            for endpoint in chain.endpoints.kafka:
                cluster = self._chains.setup.ports.clusters.cluster(endpoint.cluster)
                for each in endpoint.routers:
                    if cluster is not None and each.router.after:
                        self._routes[each.router.name] = _Responding(each.router, each.source, cluster.name)

    def tell(self, answers: Sequence[RunAnswer]) -> None:
        for answer in answers:
            asked = self._asked.get(answer.run)
            if asked is not None and not asked.done():
                asked.set_result(answer)

    async def answer_of(self, run: str, limit_s: float) -> RunAnswer | None:
        """None where the run has not ended in this time."""
        asked = self._asked[run] = asyncio.get_running_loop().create_future()
        until_s = self._clock.monotonic_s() + limit_s
        try:
            while not asked.done() and (left_s := until_s - self._clock.monotonic_s()) > 0:
                await self._rest(asked, min(left_s, LOOK_EVERY_S))
                if not asked.done():
                    await self._ask(run)
            return asked.result() if asked.done() else None
        finally:
            del self._asked[run]

    async def _ask(self, run: str) -> None:
        """The answer is kept: who cannot look now, looks later."""
        try:
            self.tell(await self._runs.answers([run]))
        except Unavailable:
            return

    async def _rest(self, asked: asyncio.Future[RunAnswer], delay_s: float) -> None:
        sleep = asyncio.create_task(self._clock.sleep(delay_s))
        waits: set[asyncio.Future[Any]] = {asked, sleep}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()


def _exchange(run: HeldRun, source: str) -> Exchange:
    origin = run.origin
    headers = headers_of(origin.record) if origin.record is not None else {}
    return Exchange(Received(origin.message, source, headers), saying(origin.said))
