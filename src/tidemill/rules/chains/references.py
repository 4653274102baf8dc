"""Shared connections: a node that says `ref://id` where its server or its database is, has the connection of another.

First of the nodes and endpoints of its own chain, then of the shared nodes. Opens nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tidemill.core.findings import Finding, near
from tidemill.rules.chains.draft import ChainDraft

PREFIX = "ref://"
PRIMARY = ("server", "dsn", "smtpHost")
"""Keys that may be a reference."""
CONNECTION = frozenset(
    {
        *PRIMARY, "brokers", "Brokers", "driverName", "username", "password", "clientId", "cleanSession", "sasl", "tls",
        "maxReconnectInterval", "caFile", "certFile", "certKeyFile", "poolSize", "smtpPort", "enableTls",
        "connectTimeout", "db",
    }
)  # fmt: skip
"""Keys that go along, where the node does not say them itself and knows them."""

Config = Mapping[str, Any]


class SharedNodes:
    """Configurations that chains refer to, by id, as `Chains` learned them last."""

    def __init__(self) -> None:
        self.by_id: Mapping[str, Config] = {}


def with_connection(
    config: Config, known: Collection[str], draft: ChainDraft, shared: SharedNodes, path: str
) -> tuple[Config, list[Finding]]:
    """The configuration with what it refers to in its place. `known` are the keys that the component has."""
    key = next((key for key in PRIMARY if str(config.get(key, "")).startswith(PREFIX)), None)
    if key is None:
        return config, []
    id_ = str(config[key]).removeprefix(PREFIX)
    found = _found(id_, draft, shared)
    if found is None:
        ids = {*_own(draft), *shared.by_id}
        message = f"there is neither a node of this chain nor a shared node {id_!r}{near(id_, ids)}"
        return config, [Finding(f"{path}.{key}", message, "unknown_reference")]
    value = found.get(key) or found.get("brokers") or found.get("Brokers")
    if value is None or str(value).startswith(PREFIX):
        return config, [Finding(f"{path}.{key}", f"{id_!r} says nothing of its own for {key!r}", "unknown_reference")]
    along = {name: item for name, item in found.items() if name in CONNECTION and name in known and name not in config}
    return {**along, **config, key: value}, []


def _found(id_: str, draft: ChainDraft, shared: SharedNodes) -> Config | None:
    return _own(draft).get(id_) or shared.by_id.get(id_)


def _own(draft: ChainDraft) -> dict[str, Config]:
    return {node.id: node.config for node in draft.nodes} | {each.id: each.config for each in draft.endpoints}
