"""Nodes that are a script: what they ask of the sandbox, and what the answers mean. Neighbours share one call.

A script is the body of a function of `(msg, metadata, msgType, dataType)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol

import msgspec

from tidemill.graph.allowance import longest_s
from tidemill.graph.call import Call
from tidemill.graph.graph import Graph, successors
from tidemill.graph.message import DataType, Message
from tidemill.graph.node import Batch
from tidemill.graph.trails import Hop
from tidemill.sandbox.script import Changed, Sandbox, Script, ScriptError, Stage, Staged, Stages, too_long

StageKind = Literal["gate", "map", "value"]
FUSED_MAX = 16
"""Scripts in one call: they share the time limit of a message."""

_DATA_TYPES: Mapping[str, DataType] = {"JSON": "JSON", "TEXT": "TEXT", "BINARY": "BINARY"}
_QUOTE = ord('"')
_encode = msgspec.json.Encoder().encode
_raw = msgspec.json.Decoder(msgspec.Raw).decode


class Scripted(Protocol):
    """What is particular to one kind of script node."""

    kind: StageKind
    passes: str
    """The relation by which a gate's `true`, or a map's result, goes on."""

    def tell(self, telling: Telling, answer: Staged, message: Message) -> None:
        """The script ended here, without an error."""
        ...


class Telling(Protocol):
    """One item, as told by one script node."""

    def tell(self, relation: str, message: Message) -> None: ...
    def fail(self, reason: str, message: Message) -> None: ...
    def take(self) -> None: ...
    def log(self, line: str) -> None: ...
    def leads(self, relation: str) -> bool: ...


class ScriptNode:
    """One script, or several that follow each other: `members` are (node id, its own part, its code)."""

    asks = True

    def __init__(self, sandbox: Sandbox, globals_: Mapping[str, Mapping[str, str]], members: Sequence[Member]) -> None:
        self._sandbox = sandbox
        self._globals = globals_
        self.members = members

    @cached_property
    def script(self) -> Script:
        return Stages([Stage(member.code, member.part.kind) for member in self.members], self._globals).script()

    def joined(self, other: ScriptNode) -> ScriptNode | None:
        """Both as one; None where they cannot be."""
        is_last = self.members[-1].part.kind == "value" or len(other.members) >= FUSED_MAX
        if is_last or self._globals != other._globals:
            return None
        return ScriptNode(self._sandbox, self._globals, [*self.members, *other.members])

    async def process(self, batch: Batch) -> None:
        assert isinstance(batch, Call)
        inputs = [arguments(item.message) for item in batch.items]
        limit_s = longest_s(batch.allowances.values())
        answers = await self._sandbox.run_stages(self.script, inputs, limit_s)
        hops = [(member.node, member.part.passes) for member in self.members]
        tellings = [_Telling(batch, member.node, hops[:stage]) for stage, member in enumerate(self.members)]
        tells = [member.part.tell for member in self.members]
        for index, (item, answer) in enumerate(zip(batch.items, answers, strict=True)):
            message = item.message if answer.changed is None else changed(item.message, answer.changed)
            telling = tellings[answer.stage]
            telling.turn_to(index, item.trail)
            for at, line in answer.logs:
                batch.log(index, line, self.members[at].node)
            if answer.error is not None:
                telling.fail(_reason(batch, index, answer.error, limit_s), message)
            else:
                tells[answer.stage](telling, answer, message)


def _reason(call: Call, index: int, error: ScriptError, limit_s: float | None) -> str:
    allowance = call.allowances.get(index)
    is_late = limit_s is not None and error.message == too_long(limit_s)
    return str(allowance.over()) if allowance is not None and is_late else str(error)


class Member(msgspec.Struct, frozen=True):
    node: str
    part: Scripted
    code: str


class _Telling:
    """One item after the other, at the node where they ended."""

    __slots__ = ("_call", "_index", "_node", "_passed", "_place", "_trail")

    def __init__(self, call: Call, node: str, passed: Sequence[Hop]) -> None:
        self._call = call
        self._node = node
        self._passed = passed
        self._trail = -1
        self._place = (-1, -1)
        self._index = -1

    def turn_to(self, index: int, trail: int) -> None:
        self._index = index
        if trail != self._trail:
            self._trail = trail
            self._place = self._call.place_of(self._node, trail, self._passed)

    def tell(self, relation: str, message: Message) -> None:
        self._call.tell(self._index, relation, message, self._place)

    def fail(self, reason: str, message: Message) -> None:
        self._call.fail(self._index, reason, message, self._place)

    def take(self) -> None:
        self._call.take(self._index)

    def leads(self, relation: str) -> bool:
        return self._call.leads(relation, self._node)

    def log(self, line: str) -> None:
        self._call.log(self._index, line, self._node)


def fuse(graph: Graph) -> None:
    """Lets script nodes that follow each other, and nobody else, be one call. Those whose output others ask for, or
    whose messages are watched, stay by themselves."""
    vertices = graph.vertices
    origins = [0] * len(vertices)
    for vertex in vertices:
        for target in successors(vertex):
            origins[target] += 1
    for index in sorted(range(len(vertices)), key=lambda one: -vertices[one].level):
        vertex = vertices[index]
        node = vertex.node
        if not isinstance(node, ScriptNode) or vertex.is_remembered or vertex.is_watched:
            continue
        targets = vertex.edges.get(node.members[-1].part.passes, ())
        if len(targets) != 1 or origins[targets[0]] != 1 or targets[0] == graph.first:
            continue
        following = vertices[targets[0]]
        if isinstance(following.node, ScriptNode) and not (following.is_remembered or following.is_watched):
            joined = node.joined(following.node)
            if joined is not None:
                vertex.node, vertex.alone = joined, node


def arguments(message: Message) -> bytes:
    """The JSON list that a stage's function is called with."""
    data: Any
    if message.data_type == "JSON":
        try:
            data = _raw(message.data)
        except (msgspec.DecodeError, RecursionError):
            data = message.text
    elif message.data_type == "TEXT":
        data = message.text
    else:
        data = list(message.data)
    return _encode((data, message.metadata, message.type, message.data_type))


def changed(message: Message, change: Changed) -> Message:
    """A text stays the text that it is; any other value is its JSON."""
    data_type = message.data_type if change.data_type is msgspec.UNSET else _DATA_TYPES.get(change.data_type, "TEXT")
    data = message.data
    if change.msg is not msgspec.UNSET:
        data = bytes(change.msg)
        if data[0] == _QUOTE:
            data = msgspec.json.decode(data).encode("utf-8", "replace")
        elif data_type == "BINARY":
            data = _binary(data)
    return Message(
        message.id,
        message.ts_ms,
        message.type if change.msg_type is msgspec.UNSET else change.msg_type,
        data,
        message.metadata if change.metadata is msgspec.UNSET else change.metadata,
        data_type,
        message.originator,
    )


def _binary(data: bytes) -> bytes:
    """A list of numbers is bytes where the message is BINARY, and only there."""
    try:
        return bytes(msgspec.json.decode(data, type=list[int]))
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError):
        return data
