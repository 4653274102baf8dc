"""What nodes saw, kept for a look: of nodes and chains in debug mode, and the lines of `log` nodes.

In the memory of this process only, the newest of each chain, bounded in number and size. Debug mode ends by itself some
time after the save that asked for it; whoever wants more saves again. Must not block and not fail.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Literal

import msgspec

from tidemill.core.clock import Clock
from tidemill.graph.message import Message
from tidemill.rules.chains.draft import ChainDraft

DEBUG_MS = 30 * 60_000
"""How long after the save a chain or node in debug mode is watched."""
ENTRIES_MAX = 1_000
"""Of one chain."""
BYTES_MAX = 4 * 2**20
"""Of one chain: of its messages' data, and of the values of their metadata."""
CHAINS_MAX = 20
"""Those that have something to show; the one that was quiet longest goes."""
DATA_BYTES_MAX = 4_096
LINE_MAX = 4_096

Flow = Literal["In", "Out", "Log"]


class DebugEntry(msgspec.Struct, frozen=True, gc=False):
    """`number` grows with each entry of the process. `line` is what a `log` node says. `is_cut`: the message had more
    data than is kept of it."""

    number: int
    at_ms: int
    node: str
    flow: Flow
    message: Message
    relation: str = ""
    error: str | None = None
    line: str | None = None
    is_cut: bool = False


class _ChainEntries:
    def __init__(self) -> None:
        self.entries: deque[tuple[int, DebugEntry]] = deque()
        self._size = 0

    def add(self, entry: DebugEntry) -> None:
        size = _size(entry)
        self.entries.append((size, entry))
        self._size += size
        while len(self.entries) > ENTRIES_MAX or self._size > BYTES_MAX:
            gone, _ = self.entries.popleft()
            self._size -= gone


class DebugEntries:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._chains: OrderedDict[str, _ChainEntries] = OrderedDict()
        self._count = 0

    def add(
        self,
        chain: str,
        node: str,
        flow: Flow,
        message: Message,
        *,
        relation: str = "",
        error: str | None = None,
        line: str | None = None,
    ) -> None:
        self._count += 1
        is_cut = len(message.data) > DATA_BYTES_MAX
        kept = message.told(data=message.data[:DATA_BYTES_MAX]) if is_cut else message
        shown = None if line is None else line[:LINE_MAX]
        now_ms = self._clock.now_ms()
        entry = DebugEntry(self._count, now_ms, node, flow, kept, relation, error, shown, is_cut)
        found = self._chains.get(chain)
        if found is None:
            found = self._chains[chain] = _ChainEntries()
            if len(self._chains) > CHAINS_MAX:
                self._chains.popitem(last=False)
        else:
            self._chains.move_to_end(chain)
        found.add(entry)

    def of(self, chain: str, node: str | None = None, after: int = 0) -> Sequence[DebugEntry]:
        """In the order in which they were seen."""
        found = self._chains.get(chain)
        return [
            entry
            for _, entry in (found.entries if found is not None else ())
            if entry.number > after and node in (None, entry.node)
        ]

    def forget(self, chain: str) -> None:
        self._chains.pop(chain, None)


def watched_until_ms(draft: ChainDraft, saved_ms: int) -> int:
    """When debug mode of the chain and its nodes ends; 0 where there is none."""
    is_watched = draft.is_debug or any(node.is_debug for node in draft.nodes)
    return saved_ms + DEBUG_MS if is_watched else 0


def unwatched(draft: ChainDraft) -> ChainDraft:
    nodes = [msgspec.structs.replace(node, is_debug=False) for node in draft.nodes]
    return msgspec.structs.replace(draft, is_debug=False, nodes=nodes)


def _size(entry: DebugEntry) -> int:
    message = entry.message
    texts = sum(map(len, message.metadata.values()))
    return len(message.data) + texts + len(entry.line or "") + len(entry.error or "")
