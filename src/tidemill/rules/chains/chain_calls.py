"""Chains that run other chains: whether those are there, and whether they come round to where they began.

Looks at what chains are now: what is found here comes and goes with other chains, and takes none of them out of work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from tidemill.core.findings import Finding, near


class ChainCall(msgspec.Struct, frozen=True):
    """`node` runs the chain `chain`, from its first node or from `entry` on. `path`: where the document says so."""

    node: str
    path: str
    chain: str
    entry: str | None


class Known(msgspec.Struct, frozen=True):
    """A chain as others see it."""

    nodes: frozenset[str]
    calls: Sequence[ChainCall]


def call_findings(id_: str, known: Mapping[str, Known]) -> Iterator[Finding]:
    """Of the calls of the chain `id_`, which is among the known."""
    for call in known[id_].calls:
        called = known.get(call.chain)
        if called is None:
            message = f"there is no chain {call.chain!r}{near(call.chain, known)}"
            yield Finding(call.path, message, "unknown_chain", "warning")
        elif call.entry is not None and call.entry not in called.nodes:
            message = f"the chain {call.chain!r} has no node {call.entry!r}{near(call.entry, called.nodes)}"
            yield Finding(call.path, message, "unknown_node", "warning")
        elif way := _way(call.chain, id_, known):
            circle = " → ".join([id_, *way])
            yield Finding(call.path, f"the chain comes round to itself: {circle}", "cycle", "warning")


def _way(origin: str, target: str, known: Mapping[str, Known]) -> list[str]:
    """The shortest from one chain to another, both included; empty where none leads there."""
    before: dict[str, str | None] = {origin: None}
    waiting = [origin]
    for chain in waiting:
        if chain == target:
            way: list[str] = []
            at: str | None = chain
            while at is not None:
                way.append(at)
                at = before[at]
            return way[::-1]
        for call in known[chain].calls if chain in known else ():
            if call.chain not in before:
                before[call.chain] = chain
                waiting.append(call.chain)
    return []
