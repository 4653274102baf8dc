"""What operators and their probes call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.call import Call
from tidemill.api.router import Routes
from tidemill.core.metrics import REGISTRY


def operations(are_metrics_public: bool) -> Routes:
    routes = Routes("Operations")
    routes.add("GET", "/health", actions.PUBLIC, health)
    routes.add("GET", "/ready", actions.PUBLIC, ready)
    routes.add("GET", "/metrics", actions.PUBLIC if are_metrics_public else actions.METRICS_READ, metrics)
    return routes


async def health(call: Call) -> Response:
    """Whether the process lives and answers. Asks nothing else."""
    return json_answer({"healthy": True})


async def ready(call: Call) -> Response:
    """Whether the process can do its work: each part with its state. 503 while it cannot; the reasons are for
    principals only."""
    report = await call.services.readiness.report()
    shown = report if await call.is_signed_in() else _brief(report)
    return json_answer(shown, 200 if report["ok"] else 503)


async def metrics(call: Call) -> Response:
    """The metrics, in Prometheus' text format."""
    return Response(generate_latest(REGISTRY), headers={"content-type": CONTENT_TYPE_LATEST})


def _brief(report: Mapping[str, Any]) -> dict[str, Any]:
    """`ok` of the whole and of each part."""
    brief: dict[str, Any] = {}
    for name, value in report.items():
        if isinstance(value, Mapping):
            brief[name] = _brief(value)
        elif name in ("ok", "enabled"):
            brief[name] = value
    return brief
