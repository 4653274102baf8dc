"""All that the API works with, made by `server` and handed in whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tidemill.access.applications import Applications
from tidemill.access.audit import Audit
from tidemill.access.custom_roles import CustomRoles
from tidemill.access.grants import Grants
from tidemill.access.named_secrets import NamedSecrets
from tidemill.access.people import People
from tidemill.access.service import Access
from tidemill.access.tags import Tags
from tidemill.api.body import BODY_BYTES_MAX
from tidemill.api.ports import (
    Catalog,
    Control,
    Executions,
    Integrations,
    Readiness,
    RecordLog,
    Replayer,
    Schemas,
    Trials,
    Waits,
    Workers,
)
from tidemill.core.clock import Clock
from tidemill.ingest.ports import Places
from tidemill.ingest.subscription import Subscriptions
from tidemill.rules.catalog import RuleCatalog
from tidemill.rules.chains.building import Setup
from tidemill.rules.endpoints.requests import Requests
from tidemill.rules.hand import Hand
from tidemill.rules.shared import SharedNodeCatalog
from tidemill.rules.shown.debugging import DebugEntries


@dataclass(frozen=True, slots=True)
class Services:
    executions: Executions
    control: Control
    waits: Waits
    trials: Trials
    workers: Workers
    catalog: Catalog
    rules: RuleCatalog
    hand: Hand
    requests: Requests
    shared_nodes: SharedNodeCatalog
    kinds: Setup
    """Of nodes and processors that chains are built from."""
    debug: DebugEntries
    integrations: Integrations
    places: Places
    subscriptions: Subscriptions
    replayer: Replayer
    records: RecordLog
    access: Access
    applications: Applications
    people: People
    secrets: NamedSecrets
    tags: Tags
    grants: Grants
    roles: CustomRoles
    schemas: Schemas
    audit: Audit
    readiness: Readiness
    clock: Clock
    definitions_changed: Callable[[], None]
    """Called after each save. Must not block."""
    body_bytes_max: int = BODY_BYTES_MAX
    are_metrics_public: bool = False
