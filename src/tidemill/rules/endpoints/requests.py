"""Requests to the HTTP endpoints of chains: the exchange's response is the answer, once what it causes is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from tidemill.core.codec import to_json
from tidemill.core.errors import NotFound
from tidemill.core.ids import new_id
from tidemill.graph.executor import Executor
from tidemill.graph.message import DataType, Message
from tidemill.ingest.effect import EffectGroup
from tidemill.ingest.gate import Gate
from tidemill.rules.chains.compiled import Chains
from tidemill.rules.endpoints.exchange import Answer, Exchange, Received
from tidemill.rules.endpoints.http import HttpRouter, segments_of
from tidemill.rules.endpoints.route import failure_of
from tidemill.rules.endpoints.router import Passed
from tidemill.rules.waiting.held import Origin
from tidemill.rules.waiting.holding import effects_of

OK, FAILED, AWAY = 200, 400, 503

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TEXT = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
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
    def __init__(self, chains: Chains, executor: Executor, gate: Gate) -> None:
        self._chains = chains
        self._executor = executor
        self._gate = gate
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
        await self._store(passed, exchange.in_.message, router.router.name)
        return _answer(next((out for out in reversed(outs) if out.body is not None), outs[-1]), OK)

    async def _store(self, passed: Passed, message: Message, name: str) -> None:
        if passed.result is None:
            return
        effects = effects_of(passed.result, passed.chain, Origin(message, name), self._executor.clock.now_ms())
        if effects:
            await self._gate.apply(EffectGroup(effects, name))

    def _received(self, router: HttpRouter, params: Mapping[str, str], request: Request) -> Received:
        """A GET without a body has its query as data, as in RuleGo."""
        now_ms = self._executor.clock.now_ms()
        metadata = {**request.query, **params, "_triggerSource": "endpoint"}
        data, data_type = request.body, _data_type(request)
        if request.method == "GET" and not data:
            data, data_type = to_json(dict(request.query)), "JSON"
        message = Message(new_id(now_ms), now_ms, router.source, data, metadata, data_type)
        return Received(message, router.source, dict(request.headers), {**request.query, **params})


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
