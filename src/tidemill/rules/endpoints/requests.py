"""Requests to the HTTP endpoints of chains: the exchange's response is the answer, once what it causes is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import inf

import msgspec

from tidemill.core.codec import to_json
from tidemill.core.errors import NotFound
from tidemill.core.ids import new_id
from tidemill.graph.executor import Executor
from tidemill.graph.message import DataType, Message
from tidemill.ingest.effect import EffectGroup
from tidemill.ingest.gate import Gate
from tidemill.rules.chains.compiled import Chains
from tidemill.rules.effects import HoldRun
from tidemill.rules.endpoints.callers import EndpointCallers
from tidemill.rules.endpoints.exchange import Answer, Exchange, Received, failures_of
from tidemill.rules.endpoints.http import HttpRouter, segments_of
from tidemill.rules.endpoints.route import failure_of
from tidemill.rules.endpoints.router import Passed, Router
from tidemill.rules.waiting.held import Origin, RunAnswer
from tidemill.rules.waiting.holding import holding

OK, ACCEPTED, FAILED, AWAY = 200, 202, 400, 503

_LATER = "the message waits in the chain, and goes on; nobody hears of its end"

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TEXT = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?:$|[,;])", re.IGNORECASE)
_OURS = frozenset(
    {"connection", "content-length", "date", "keep-alive", "server", "te", "trailer", "transfer-encoding"}
)
"""Headers that are the server's to say."""


class Request(msgspec.Struct, frozen=True):
    """`query` has the last value of each name."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


class HttpAnswer(msgspec.Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Requests:
    def __init__(self, chains: Chains, executor: Executor, gate: Gate, callers: EndpointCallers) -> None:
        self._chains = chains
        self._executor = executor
        self._gate = gate
        self._callers = callers
        self._revision = -1
        self._routers: Sequence[HttpRouter] = ()

    async def serve(self, request: Request, *, is_open: bool = False) -> HttpAnswer:
        """Where a branch or a processor failed, nothing of it happens. `is_open`: for anybody. Raises `NotFound` where
        no endpoint serves the path, `Unavailable`."""
        await self._look()
        segments = segments_of(request.path)
        for router in self._routers:
            if request.method in router.methods and (router.is_anonymous or not is_open):
                params = router.match(segments)
                if params is not None:
                    return await self._serve(router, params, request)
        raise NotFound(f"no endpoint of a rule chain serves {request.method} {request.path}")

    async def _look(self) -> None:
        """The most particular router comes first."""
        revision = await self._chains.refresh()
        if revision != self._revision:
            at_work = [chain for chain in self._chains.by_id.values() if not chain.built.draft.is_disabled]
            routers = [router for chain in at_work for router in chain.endpoints.http]
            self._routers = sorted(routers, key=lambda router: (router.particular, router.router.name))
            self._revision = revision

    async def _serve(self, router: HttpRouter, params: Mapping[str, str], request: Request) -> HttpAnswer:
        exchange = Exchange(self._received(router, params, request))
        (passed,) = await router.router.exchange(self._executor, [exchange])
        if passed.is_filtered:
            return _answer(exchange.out, OK)
        if passed.result is None:
            return _failed(passed.refusal or "", AWAY if passed.is_waiting else FAILED)
        outs = [answer.out for answer in passed.answers] or [exchange.out]
        reason = failure_of(passed)
        if reason is not None:
            said = next((out for out in outs if out.body is not None and (out.error or out.status)), None)
            return _answer(said, FAILED) if said is not None else _failed(reason, FAILED)
        limit_s = min(router.answer_s, _preferred_s(request))
        run = await self._store(passed, exchange.in_.message, router.router.name, is_asked=limit_s > 0)
        if run is None:
            return _answer(_last(outs), OK)
        later = await self._callers.answer_of(run, limit_s) if limit_s > 0 else None
        return await self._answered(router.router, exchange, outs, later)

    async def _answered(
        self, router: Router, exchange: Exchange, outs: Sequence[Answer], later: RunAnswer | None
    ) -> HttpAnswer:
        """Of a chain that waited: what its last branch said, in time; else what others said at once."""
        if later is None:
            said = [out for out in outs if out.body is not None]
            return _answer(_last(said), OK) if said else _failed(_LATER, ACCEPTED)
        if later.reason is not None:
            return _failed(later.reason, FAILED)
        (answers,) = await router.answers([(exchange, later.ends)])
        reasons = failures_of(answers)
        if reasons:
            return _failed("; ".join(reasons), FAILED)
        return _answer(_last([*outs, *(answer.out for answer in answers)]), OK)

    async def _store(self, passed: Passed, message: Message, name: str, *, is_asked: bool) -> str | None:
        """Returns the id of the run where branches of it wait."""
        if passed.result is None:
            return None
        now_ms = self._executor.clock.now_ms()
        found = holding(passed.result, passed.chain, Origin(message, name, is_asked=is_asked), now_ms)
        effects = found.effects if found.rest is None else [*found.effects, HoldRun(found.rest)]
        if effects:
            await self._gate.apply(EffectGroup(effects, name))
        return None if found.rest is None else found.rest.id

    def _received(self, router: HttpRouter, params: Mapping[str, str], request: Request) -> Received:
        """A GET without a body has its query as data, as in RuleGo."""
        now_ms = self._executor.clock.now_ms()
        metadata = {**request.query, **params, "_triggerSource": "endpoint"}
        data, data_type = request.body, _data_type(request)
        if request.method == "GET" and not data:
            data, data_type = to_json(dict(request.query)), "JSON"
        message = Message(new_id(now_ms), now_ms, router.source, data, metadata, data_type)
        return Received(message, router.source, dict(request.headers), {**request.query, **params})


def _last(outs: Sequence[Answer]) -> Answer:
    """The last that says something."""
    return next((out for out in reversed(outs) if out.body is not None), outs[-1])


def _preferred_s(request: Request) -> float:
    """RFC 7240."""
    texts = [value for name, value in request.headers.items() if name.lower() == "prefer"]
    return min([float(found.group(1)) for text in texts if (found := _WAIT.search(text))], default=inf)


def _data_type(request: Request) -> DataType:
    kind = next((value for name, value in request.headers.items() if name.lower() == "content-type"), "")
    if kind.startswith("application/json"):
        return "JSON"
    return "BINARY" if kind.startswith("application/octet-stream") else "TEXT"


def _answer(out: Answer, status: int) -> HttpAnswer:
    headers = {
        name: str(value)
        for name, value in out.headers.items()
        if _TOKEN.fullmatch(name) and name.lower() not in _OURS and _TEXT.fullmatch(str(value))
    }
    return HttpAnswer(out.status or status, headers, out.body or b"")


def _failed(reason: str, status: int) -> HttpAnswer:
    return HttpAnswer(status, {"Content-Type": "application/json"}, to_json({"status": status, "message": reason}))
