"""What a kind of node is: its name, its configuration, how one is built. One file per component; a list has them all.

From this one place come validation, the form, the reference page and the API's description.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from tidemill.core.findings import Finding
from tidemill.graph.node import Node


class Config(BaseModel):
    """The configuration of a node, under the keys that its format's users write. Fields carry `description`s."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def no_findings(config: Any, site: Any) -> Iterable[Finding]:
    return ()


@dataclass(frozen=True, slots=True)
class Component:
    """`name` is the type that definitions say. `relations` are those that it tells by; None where the configuration or
    the message decides. `check` finds what is wrong in a configuration whose shape is right; `build` is called after it
    found no error. `entries` are its keys that name what it runs inside, and what they name (see `Batch.inside`),
    `reads` those that name a node whose output it needs, `asks_for` the nodes whose output it may read, `scripts` its
    keys that are user code, with what the sandbox is to check, `clusters` the Kafka clusters that it names and nobody
    knows (`rules.ports.Stranger`), `servers` all clusters that it publishes to, by integration or bootstrap servers,
    `publishes` the topics there, as (cluster, topic), as far as they are known before it runs. `holds`: messages may
    wait here. `gathers`, `is_last`, `is_pure`: see `graph.Vertex`."""

    name: str
    group: str
    summary: str
    config: type[Config]
    build: Callable[[Any, Any], Node]
    relations: Sequence[str] | None = ("Success", "Failure")
    check: Callable[[Any, Any], Iterable[Finding]] = no_findings
    entries: Callable[[Any], Sequence[tuple[str, str]]] = lambda config: ()
    reads: Callable[[Any], Sequence[tuple[str, str]]] = lambda config: ()
    asks_for: Callable[[Any], Sequence[str]] = lambda config: ()
    scripts: Callable[[Any, Any], Sequence[tuple[str, Any]]] = lambda config, site: ()
    clusters: Callable[[Any, Any], Sequence[Any]] = lambda config, site: ()
    servers: Callable[[Any], Sequence[str]] = lambda config: ()
    publishes: Callable[[Any], Sequence[tuple[str, str]]] = lambda config: ()
    holds: Callable[[Any], bool] = lambda config: False
    gathers: bool = False
    is_last: bool = False
    is_pure: bool = False
    examples: Sequence[Mapping[str, Any]] = ()
    notes: str = ""
    aliases: Sequence[str] = field(default=())
