"""What rule chains need from outside. `storage`, `kafka` and `web` satisfy it, `server` ties the knot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidemill.core.clock import Clock
from tidemill.core.http import HttpCaller
from tidemill.ingest.clusters import IntegrationInfo, integration_of
from tidemill.sandbox.script import Sandbox


class Clusters:
    """The Kafka clusters that there are, as `Chains` learned them last."""

    def __init__(self) -> None:
        self.integrations: Mapping[str, IntegrationInfo] = {}

    def cluster(self, server: str) -> IntegrationInfo | None:
        """By an integration's name, or by its bootstrap servers as somebody may write them. None: there is none."""
        name = integration_of(self.integrations, server)
        return self.integrations[name] if name is not None else None


@dataclass(frozen=True, slots=True)
class World:
    """What nodes may call. None of it is opened before a node asks for it."""

    http: HttpCaller


@dataclass(frozen=True, slots=True)
class Ports:
    sandbox: Sandbox
    clock: Clock
    clusters: Clusters
    world: World
