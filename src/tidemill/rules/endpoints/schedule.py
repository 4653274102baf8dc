"""Schedule endpoints of chains, read and checked: at which moments which message is sent where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from pydantic import Field

from tidemill.core.codec import to_json
from tidemill.core.findings import errors
from tidemill.graph.component import Config
from tidemill.graph.message import DataType
from tidemill.rules.chains.draft import EndpointDraft, RouterDraft
from tidemill.rules.endpoints.building import Workshop
from tidemill.rules.endpoints.config import FailurePolicy
from tidemill.rules.endpoints.cron import Moments
from tidemill.rules.endpoints.router import Router

TYPES = frozenset({"endpoint/schedule", "schedule", "endpoint/timer", "timer"})
_DATA_TYPES: Mapping[str, DataType] = {"JSON": "JSON", "TEXT": "TEXT", "BINARY": "BINARY"}


class ScheduleConfig(Config):
    timezone: str = Field("", description="Of the times in the schedule, as Europe/Berlin; UTC by default.")
    on_failure: FailurePolicy = Field(
        "dead_letter", alias="onFailure", description="What becomes of a moment whose message fails."
    )


class ScheduleRouter(msgspec.Struct, frozen=True):
    """`text` is the schedule with its zone: a router whose text changes begins anew."""

    router: Router
    text: str
    moments: Moments
    body: bytes
    data_type: DataType
    metadata: Mapping[str, str]
    policy: FailurePolicy


def schedule_routers(shop: Workshop, endpoint: EndpointDraft) -> Sequence[ScheduleRouter]:
    config = shop.config(ScheduleConfig, endpoint.config, f"{endpoint.path}.configuration")
    found = [_router(shop, endpoint, router, config) for router in endpoint.routers]
    return [router for router in found if router is not None] if config is not None else ()


def _router(
    shop: Workshop, endpoint: EndpointDraft, draft: RouterDraft, config: ScheduleConfig | None
) -> ScheduleRouter | None:
    known = len(shop.findings)
    text = shop.text(draft.sources[0]).strip() if draft.sources else ""
    if len(draft.sources) > 1:
        shop.add(f"{draft.path}.from.path", "is one schedule; make a router for each")
    zone = config.timezone if config is not None else ""
    moments = _moments(shop, text, zone, f"{draft.path}.from.path")
    body, data_type, metadata = _message(shop, draft)
    router = shop.router(endpoint, draft)
    if router is None or moments is None or config is None or errors(shop.findings[known:]):
        return None
    return ScheduleRouter(router, f"{text} {zone}".strip(), moments, body, data_type, metadata, config.on_failure)


def _moments(shop: Workshop, text: str, zone: str, at: str) -> Moments | None:
    try:
        return Moments(text, zone)
    except ValueError as error:
        shop.add(at, f"{text!r} is no schedule: {error}")
        return None


def _message(shop: Workshop, draft: RouterDraft) -> tuple[bytes, DataType, Mapping[str, str]]:
    """`params` are body, data type and metadata, each of which may be missing."""
    given: list[Any] = [*draft.params, None, None, None]
    body, name, metadata = given[:3]
    data_type = _DATA_TYPES.get(str(name or "JSON").upper())
    if data_type is None:
        shop.add(f"{draft.path}.params[1]", f"must be one of {', '.join(_DATA_TYPES)}, not {name!r}")
    if metadata is not None and not isinstance(metadata, dict):
        shop.add(f"{draft.path}.params[2]", "must be an object: the message's metadata", "type")
        metadata = None
    data = body.encode() if isinstance(body, str) else b"" if body is None else to_json(body)
    return data, data_type or "JSON", {str(key): str(value) for key, value in (metadata or {}).items()}
