"""Where a router leads: `to.path` in all its forms. Knows no message but its metadata; runs nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from tidemill.graph.graph import Graph

COMPONENT = "component:"
_PLACEHOLDER = re.compile(r"\$\{\s*(?:metadata\.)?([^{}\s]+)\s*\}")


class Target(msgspec.Struct, frozen=True):
    """A chain, from its node `node` on (None: its first); or `component`, a graph of one node that is no chain's."""

    chain: str
    node: str | None = None
    component: Graph | None = None


class Destination(msgspec.Struct, frozen=True):
    """`path` has placeholders where there is no `fixed` target."""

    path: str
    fixed: Target | None = None

    def target(self, metadata: Mapping[str, str]) -> Target | str:
        """Of one message; a text says why there is none."""
        if self.fixed is not None:
            return self.fixed
        missing = [key for key in _PLACEHOLDER.findall(self.path) if key not in metadata]
        if missing:
            return f"the message has no metadata {missing[0]!r}, by which {self.path} finds its chain"
        path = _PLACEHOLDER.sub(lambda found: metadata[found.group(1)], self.path)
        target = target_of(path) if not path.startswith(COMPONENT) else None
        return target if target is not None and target.chain else f"{path!r} names no chain (by {self.path})"


def has_placeholders(path: str) -> bool:
    return _PLACEHOLDER.search(path) is not None


def target_of(path: str) -> Target:
    """`chain`, `chain:node`, and both after `chain:`."""
    chain, _, node = path.strip().removeprefix("chain:").partition(":")
    return Target(chain, node or None)
