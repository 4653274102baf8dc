"""The interface of nodes: a batch of messages comes in, and each of them is told on, held or taken in.

A node writes nothing. What it wants to happen outside of the graph it says as an effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tidemill.graph.allowance import Allowance
from tidemill.graph.message import Message

if TYPE_CHECKING:
    from tidemill.graph.graph import Vertex

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
    remembers, what it has used of its budget, whether only some ends count, and the joins that are over. Of a run
    inside of another, also its graph, and whether edges are followed there. `line`: see `Budget`."""

    outputs: Mapping[str, Message] = {}
    steps: int = 0
    made: int = 0
    has_last: bool = False
    over: Sequence[str] = []
    graph: str = ""
    is_followed: bool = True
    deep: int = 0
    line: str = ""


class Waiting(msgspec.Struct, frozen=True):
    """Where the messages of a run are that is held: at nodes, at joins, and at nodes that wait for runs inside."""

    held: Sequence[Held]
    arrived: Sequence[Arrived]
    kept: Kept
    nested: Sequence[Nested] = []


class Apart(msgspec.Struct, frozen=True):
    """The effect of a message that waits in a slot: from there on, it is a run of its own."""

    waiting: Waiting

    @property
    def slot(self) -> str:
        """Of all slots."""
        return f"{self.waiting.kept.graph}:{self.waiting.held[0].hold.slot}"


class Result(msgspec.Struct, gc=False):
    """What became of one message that came into the graph. Of most there is an end and nothing else."""

    ends: list[End] = []
    effects: Sequence[Effect] = ()
    held: Sequence[Held] = ()
    arrived: Sequence[Arrived] = ()
    kept: Kept = Kept()
    nested: Sequence[Nested] = ()

    @property
    def failures(self) -> list[End]:
        return [end for end in self.ends if end.relation == FAILURE]

    @property
    def is_held(self) -> bool:
        """Whether a branch of it goes on later."""
        return bool(self.held or self.nested)

    @property
    def holders(self) -> Sequence[Held | Nested]:
        """What is held of it."""
        return [*self.held, *self.nested]

    @property
    def waits(self) -> bool:
        """Whether it is held, or something has parted from it that is."""
        return self.is_held or Apart in map(type, self.effects)

    @property
    def waiting(self) -> Waiting:
        return Waiting(self.held, self.arrived, self.kept, self.nested)

    def rest(self, *, with_ends: bool = True) -> Result:
        """What is still to come of it, after what it has caused was seen to; without its ends, after they were, too."""
        return Result(self.ends if with_ends else [], [], self.held, self.arrived, self.kept, self.nested)


class Nested(msgspec.Struct, frozen=True):
    """A message at a node that waits for what it runs inside. `results` are those of the runs, of which some are held;
    `state` is the node's own. `due_ms` is when it waits no longer, 0 where that is never. Not `is_awaited`: the message
    has gone on, and no join waits for this."""

    node: str
    message: Message
    results: Sequence[Result]
    state: bytes = b""
    due_ms: int = 0
    is_awaited: bool = True


class Batch(Protocol):
    """What `process` gets. Each item must be told at least once, or taken or held: one of which nothing is said fails
    with a reason that names the node."""

    items: Sequence[Item]
    allowances: Mapping[int, Allowance]
    """Of items that have not all time, by index: a node that waits for something outside keeps to them."""

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

    def wait(
        self,
        index: int,
        results: Sequence[Result],
        state: bytes = b"",
        due_ms: int = 0,
        *,
        is_awaited: bool = True,
    ) -> None:
        """Of results of `inside`, some are held. When something of them has happened, or at `due_ms`, the node's
        `go_on` is called with all of them, in any process. It may wait again."""
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
        allowances: Sequence[Allowance] = (),
    ) -> Sequence[Result]:
        """Runs each message (with the index of its item) from `entry` on, apart from the rest: a node of this graph,
        or `chain:<id>[:<node>]`. Not `is_followed`: through that node only. Their effects are kept for the item; where
        not `is_kept`, they are only in the result, and the node says which of them are to be. `allowances`, one a
        message, say how long they may be at work; without, as long as the item itself.
        One result per message; where the entry is not there or the nesting too deep, an end by `Failure`. Only a
        `CallingNode` gets results that are held; for others, what is held fails."""
        ...

    def reached(self, entry: str) -> Iterator[Vertex]:
        """All nodes that what is run inside from there can come to."""
        ...


class Node(Protocol):
    """Where it has an `asks` that is true, it asks the sandbox or the database each time: see `budget.ASK_STEPS`."""

    async def process(self, batch: Batch) -> None:
        """Raises `Unavailable` where the world failed and all of the batch is to be tried again later; whatever else it
        raises fails the items that it had not told yet."""
        ...


class HoldingNode(Node, Protocol):
    """A node that holds messages."""

    def wake(self, message: Message, wake: Wake) -> tuple[str, Message]:
        """By which relation the message goes on, and as what."""
        ...


class Waited(msgspec.Struct, frozen=True):
    """What has become of the runs that a node waits for, and the state that it left. `is_late`: it was to wait no
    longer. What the runs have caused is kept already."""

    results: Sequence[Result]
    state: bytes
    due_ms: int
    is_late: bool


class CallingNode(Node, Protocol):
    """A node that waits for what it runs inside."""

    async def go_on(self, batch: Batch, waited: Sequence[Waited]) -> None:
        """Like `process`, for items for which it waits."""
        ...
