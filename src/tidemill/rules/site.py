"""The place in a chain where a node is built, and what it may use there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidemill.core.findings import Finding, Level
from tidemill.rules.ports import Ports


@dataclass(frozen=True, slots=True)
class Site:
    """`path` leads to the node's configuration in the user's document. `vars` and `globals_` are what scripts and
    templates see under these names. `name` is the node's for people."""

    chain: str
    node: str
    path: str
    ports: Ports
    vars: Mapping[str, str] = field(default_factory=dict)
    globals_: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    def finding(self, key: str, message: str, kind: str = "invalid", level: Level = "error") -> Finding:
        return Finding(f"{self.path}.{key}" if key else self.path, message, kind, level)
