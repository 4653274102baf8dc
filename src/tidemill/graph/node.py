"""The interface of nodes: a batch of messages comes in, and each of them is told on, held or taken in.

A node writes nothing. What it wants to happen outside of the graph it says as an effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from tidemill.graph.message import Message

SUCCESS, FAILURE, TRUE, FALSE, DEFAULT = "Success", "Failure", "True", "False", "Default"

Effect = Any


class Item(msgspec.Struct, frozen=True, gc=False):
    """A message at a node. `run` says from which of the messages that came into the graph it descends, `trail` by which
    way (see `trails`); `error` is why the node before failed, where it did."""

    run: int
    message: Message
    trail: int
    error: str | None = None


class Hold(msgspec.Struct, frozen=True):
    """What a message that is held waits for: a time, the acknowledgement of a publication, or whichever is first.
    In a `slot` (a name) one message can wait, at the time of the first: one that comes later takes its place. Nothing
    waits for what is in a slot."""

    due_ms: int
    publication: str | None = None
    slot: str | None = None


class Wake(msgspec.Struct, frozen=True):
    """Why it goes on: the time came (all empty), or what the broker said of the publication."""

    partition: int | None = None
    offset: int | None = None
    refusal: str | None = None
    is_acknowledged: bool = False


class End(msgspec.Struct, frozen=True, gc=False):
    """Where a branch ended: at this node, with this relation, to which no edge leads on. `is_last`: the node is one
    (see `graph.Vertex`)."""

    node: str
    relation: str
    message: Message
    trail: int
    error: str | None = None
    is_last: bool = False


class Held(msgspec.Struct, frozen=True):
    """A message that goes on later, out of this node."""

    node: str
    message: Message
    hold: Hold


class Arrived(msgspec.Struct, frozen=True):
    """A message that is at a join while another branch of its run is held. `origin` is the node it came from; `due_ms`
    when it has waited for too long, 0 where that is never."""

    node: str
    message: Message
    origin: str
    relation: str
    error: str | None = None
    due_ms: int = 0


class Kept(msgspec.Struct, frozen=True):
    """What a run that is held needs beside its messages to be taken up again: the outputs of nodes that the graph
    remembers, what it has used of its budget, whether only some ends count, and the joins that are over."""

    outputs: Mapping[str, Message] = {}
    steps: int = 0
    made: int = 0
    has_last: bool = False
    over: Sequence[str] = ()


class Result(msgspec.Struct):
    """What became of one message that came into the graph. Of most there is an end and nothing else."""

    ends: list[End] = []
    effects: Sequence[Effect] = ()
    held: Sequence[Held] = ()
    arrived: Sequence[Arrived] = ()
    kept: Kept = Kept()

    @property
    def failures(self) -> list[End]:
        return [end for end in self.ends if end.relation == FAILURE]


class Batch(Protocol):
    """What `process` gets. Each item must be told at least once, or taken or held: one of which nothing is said fails
    with a reason that names the node."""

    items: Sequence[Item]

    def tell(self, index: int, relation: str, message: Message | None = None) -> None:
        """The item's message, or this one in its place, goes on by the relation. May be said several times."""
        ...

    def tell_all(self, relation: str) -> None:
        """All items' messages, as they are, go on by the relation."""
        ...

    def fail(self, index: int, reason: str, message: Message | None = None) -> None:
        """Goes on by `Failure`, with the reason in its metadata."""
        ...

    def take(self, index: int) -> None:
        """It went into what another item was told with, or ends here without a trace."""
        ...

    def hold(self, index: int, hold: Hold, message: Message | None = None) -> None:
        """It goes on later, when the node's `wake` is called, in any process."""
        ...

    def effect(self, index: int, effect: Effect) -> None:
        """To happen with the commit of the record that the message came from, or not at all."""
        ...

    def caused(self, index: int) -> Sequence[Effect]:
        """The effects of the item's run up to here, in order: of nodes before this one, of this one, and of the runs
        that this one is inside of."""
        ...

    def log(self, index: int, line: str) -> None: ...

    def leads(self, relation: str) -> bool:
        """Whether an edge leads on by this relation."""
        ...

    def came_from(self, index: int) -> tuple[str, str]:
        """Node and relation; empty at the first node."""
        ...

    def unique(self, index: int) -> str:
        """A text that no other call gets: the id of something that the message causes."""
        ...

    def is_spent(self, index: int) -> bool:
        """Whether the message has gone as far as any may, and nothing more can be run inside for it."""
        ...

    def output(self, index: int, node: str) -> Message | None:
        """What that node told last in this run. Only of nodes that the graph remembers (`Graph.remembered`)."""
        ...

    async def inside(
        self,
        entry: str,
        messages: Sequence[tuple[int, Message]],
        *,
        is_followed: bool = True,
        is_kept: bool = True,
    ) -> Sequence[Result]:
        """Runs each message (with the index of its item) from `entry` on, apart from the rest: a node of this graph,
        or `chain:<id>[:<node>]`. Not `is_followed`: through that node only. Their effects are kept for the item; where
        not `is_kept`, they are only in the result, and the node says which of them are to be.
        One result per message; where the entry is not there or the nesting too deep, an end by `Failure`."""
        ...

    def may_break(self, entry: str) -> bool:
        """Whether what is run inside from there can end a loop."""
        ...


class Node(Protocol):
    async def process(self, batch: Batch) -> None:
        """Raises `Unavailable` where the world failed and all of the batch is to be tried again later; whatever else it
        raises fails the items that it had not told yet."""
        ...


class HoldingNode(Node, Protocol):
    """A node that holds messages."""

    def wake(self, message: Message, wake: Wake) -> tuple[str, Message]:
        """By which relation the message goes on, and as what."""
        ...
