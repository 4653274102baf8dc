"""Random chains with loops, groups and sub-chains, in which messages wait: whatever waits, and for how long, a message
comes to the ends, and causes what it causes, as if nothing had waited."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.rules import RulesRoom, message
from tests.fakes.sandbox import FakeSandbox
from tests.unit.rules.nodes.ends import Node, node
from tidemill.graph.node import Effect, End, Waiting, Wake
from tidemill.graph.resumption import Resumed, all_held, next_ms
from tidemill.rules.effects import Publish

Edges = list[tuple[str, str, str]]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Waiting).decode


def marking(mark: str) -> Any:
    return lambda msg, metadata, type_, data_type: {"msg": [mark, msg]}


def failing(msg: Any, metadata: dict[str, str], type_: str, data_type: str) -> Any:
    return {"msg": msg if len(str(msg)) % 3 else msg["no"]}


BODIES = {**{mark: marking(mark) for mark in "abc"}, "fails sometimes": failing}


class Drawing:
    """Chains that call those drawn before; in a chain, groups and loops run islands: nodes apart from the rest."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.chains: dict[str, tuple[list[Node], Edges]] = {}
        self._number = 0

    def chain(self) -> None:
        self._nodes: list[Node] = []
        self._edges: Edges = []
        count = self._random.randint(2, 6)
        main = [self._main() for _ in range(count)]
        for at in range(1, count):
            for origin in {self._random.randrange(at) for _ in range(2)}:
                self._edges.append((main[origin], "Success", main[at]))
        self._nodes.sort(key=lambda each: each["id"] not in main)
        self.chains[f"c{len(self.chains)}"] = (self._nodes, self._edges)

    def _add(self, type_: str, **configuration: Any) -> str:
        self._number += 1
        id_ = f"n{self._number}"
        self._nodes.append(node(id_, type_, **configuration))
        return id_

    def _plain(self) -> str:
        kind = self._random.choice(["mark", "delay", "delay", "publish", "check"])
        if kind == "mark":
            return self._add("jsTransform", jsScript=self._random.choice("abc"))
        if kind == "check":
            return self._add("jsTransform", jsScript="fails sometimes")
        if kind == "delay":
            return self._add("delay", delayMs=self._random.choice([1_000, 2_000, 5_000]))
        return self._add("x/kafkaProducer", server="shop", topic="out", awaitAck=True)

    def _row(self) -> str:
        """One way only."""
        ids = [self._plain() for _ in range(self._random.randint(1, 3))]
        self._edges += [(before, "Success", after) for before, after in pairwise(ids)]
        return ids[0]

    def _tree(self) -> str:
        first = self._plain()
        self._edges += [(first, "Success", self._row()) for _ in range(2)]
        return first

    def _entry(self) -> str:
        """What comes of it has no order."""
        inner = [f"chain:{id_}" for id_ in self.chains]
        return self._random.choice([*inner, self._tree(), self._row()])

    def _main(self) -> str:
        pick = self._random.choice
        kind = pick(["plain", "plain", "join", "flow", "ref", "group", "for", "for in order", "while"])
        if kind == "flow" and self.chains:
            return self._add("flow", targetId=pick(list(self.chains)), extend=pick([True, False]))
        if kind == "join":
            return self._add("join", timeout=0)
        if kind == "ref":
            return self._add("ref", targetId=self._tree(), tellChain=pick([True, False]))
        if kind == "group":
            ids = [self._plain() for _ in range(self._random.randint(1, 3))]
            return self._add("groupAction", nodeIds=ids, timeout=0, matchNum=self._random.randint(0, 2))
        if kind == "for":
            return self._add("for", range="1..2", do=self._entry(), mode=pick([0, 1, 3]))
        if kind == "for in order":
            return self._add("for", range="[1, 2, 3]", do=self._row(), mode=2)
        if kind == "while":
            return self._add("while", condition="int(metadata._loopIndex) < 2", do=self._row(), mode=pick([0, 2]))
        return self._plain()


def without_waits(nodes: Sequence[Node]) -> list[Node]:
    never: dict[str, dict[str, Any]] = {"delay": {"delayMs": 0}, "x/kafkaProducer": {"awaitAck": False}}
    return [{**each, "configuration": {**each["configuration"], **never.get(str(each["type"]), {})}} for each in nodes]


async def ran(chains: dict[str, tuple[list[Node], Edges]], data: Sequence[bytes]) -> list[tuple[Any, Any]]:
    """Of each message its ends and what it publishes; all runs go on together, kept as a database would."""
    sandbox = FakeSandbox()
    sandbox.bodies = BODIES
    room = RulesRoom(sandbox)
    for id_, (nodes, edges) in chains.items():
        saved = await room.save(id_, nodes, edges)
        assert not [each for each in saved.findings if each.level == "error"], saved.findings
    main = list(chains)[-1]
    executor = room.parts.executor
    results = list(await room.run(main, *map(message, data)))
    graph = room.parts.chains.graph(main)
    assert not isinstance(graph, str)
    ends: list[list[End]] = [[] for _ in data]
    effects: list[list[Effect]] = [[] for _ in data]
    going = list(range(len(data)))
    while going:
        for place, result in zip(going, results, strict=True):
            ends[place] += result.ends
            effects[place] += result.effects
        held = [(place, result) for place, result in zip(going, results, strict=True) if result.is_held]
        going = [place for place, _ in held]
        results = await executor.resume(graph, [_following(_decode(_encode(result.waiting))) for _, result in held])
    return [(shown_ends(these), published(those)) for these, those in zip(ends, effects, strict=True)]


def _following(waiting: Waiting) -> Resumed:
    publications = [held.hold.publication for _, held in all_held(waiting) if held.hold.publication]
    if publications:
        return Resumed(waiting, {publications[-1]: Wake(0, 0, is_acknowledged=True)})
    return Resumed(waiting, at_ms=next_ms(waiting))


def shown_ends(ends: Sequence[End]) -> list[str]:
    return sorted(f"{end.node} {end.relation} {in_order(end.message.data)} {_kind(end.error)}" for end in ends)


def _kind(error: str | None) -> str:
    """Reasons of several branches come in any order."""
    return "" if error is None else "failed"


def published(effects: Sequence[Effect]) -> list[str]:
    return sorted(in_order(each.publication.value or b"") for each in effects if isinstance(each, Publish))


def in_order(data: bytes) -> str:
    """Lists of branches are in the order in which those came: sorted, as deep as they go."""
    return json.dumps(_sorted(json.loads(data)))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        inner = {key: _sorted(item) for key, item in value.items()}
        if isinstance(inner.get("data"), str):
            inner["data"] = in_order(inner["data"].encode())
        return inner
    if isinstance(value, list):
        return sorted(map(_sorted, value), key=json.dumps)
    return value


@given(st.randoms(use_true_random=True), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
async def test_whatever_waits_the_ends_are_the_same(random: Random, count: int) -> None:
    drawing = Drawing(random)
    for _ in range(random.randint(1, 3)):
        drawing.chain()
    data = [b"%d" % number for number in range(count)]
    plain = {id_: (without_waits(nodes), edges) for id_, (nodes, edges) in drawing.chains.items()}
    assert await ran(drawing.chains, data) == await ran(plain, data)
