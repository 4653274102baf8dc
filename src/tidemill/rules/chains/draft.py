"""A rule chain as its author wrote it, read out of one of the formats. Compiled by `building`; knows no node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class NodeDraft(msgspec.Struct, frozen=True):
    """`type` is the name of a component. `path` is where the node stands in the user's document, `config_key` the key
    of its configuration there."""

    id: str
    type: str
    config: Mapping[str, Any]
    path: str
    name: str = ""
    is_debug: bool = False
    config_key: str = "configuration"


class EdgeDraft(msgspec.Struct, frozen=True):
    origin: str
    relation: str
    target: str
    path: str


class RouterDraft(msgspec.Struct, frozen=True):
    """From paths of the endpoint (topics, an HTTP path, a cron expression) to a chain or node (`to`)."""

    id: str
    path: str
    sources: Sequence[str]
    to: str
    source_config: Mapping[str, Any] = {}
    to_config: Mapping[str, Any] = {}
    source_processors: Sequence[str] = ()
    to_processors: Sequence[str] = ()
    params: Sequence[Any] = ()
    waits: bool = False


class EndpointDraft(msgspec.Struct, frozen=True):
    id: str
    type: str
    config: Mapping[str, Any]
    path: str
    name: str = ""
    processors: Sequence[str] = ()
    routers: Sequence[RouterDraft] = ()


class ChainDraft(msgspec.Struct, frozen=True):
    """`first` is the id of the node where messages come in; None where there is no node. `vars` and `secrets` are what
    `${vars.x}` and `${secrets.x}` mean; `about` what `${ruleChain.x}` does. `named` are the secrets
    that its author named and may use, `hidden` the values of all secrets: nothing that is told of the chain has one."""

    id: str
    format: str
    name: str = ""
    is_root: bool = True
    is_disabled: bool = False
    is_debug: bool = False
    nodes: Sequence[NodeDraft] = ()
    edges: Sequence[EdgeDraft] = ()
    endpoints: Sequence[EndpointDraft] = ()
    first: str | None = None
    vars: Mapping[str, str] = {}
    secrets: Mapping[str, str] = {}
    about: Mapping[str, Any] = {}
    named: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
