"""What the endpoints of a rule chain made of the records they saw: the event monitor of rule chains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Path, Query, Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.call import Call
from tidemill.api.params import Number
from tidemill.api.router import Routes
from tidemill.ingest.ports import Seen, SeenRun
from tidemill.rules.chains.compiled import Chain

routes = Routes("Rule chains", "/api/tidemill/rules")

ChainId = Annotated[str, Path(alias="id")]
Limit = Annotated[int, Query(ge=1, le=10_000)]


@routes.get("/{id}/records", actions.RECORD_READ, list[dict[str, Any]])
async def records(
    call: Call, chain: ChainId, from_ms: Annotated[Number, Query(alias="from")] = None, limit: Limit = 100
) -> Response:
    """What each router of the chain's endpoints made of the records it saw, newest first. Those since `from` (epoch
    ms), and how many there are on file."""
    history = call.services.places.history
    totals = await history.totals()
    found = []
    for endpoint, router, name in routes_of(await call.services.rules.chain(chain)):
        seen = entries_of(await history.of_route(name, from_ms or 0, limit), from_ms or 0)
        total = totals.get(name)
        count = total.records if total is not None else 0
        found.append({"endpoint": endpoint, "router": router, "route": name, "total": count, "records": seen[:limit]})
    return json_answer(found)


def routes_of(chain: Chain) -> list[tuple[str, str, str]]:
    """(endpoint, router, the name of their route)."""
    return [
        (endpoint.id, router.id, f"endpoint:{chain.id}:{endpoint.id}:{router.id}")
        for endpoint in chain.built.draft.endpoints
        for router in endpoint.routers
    ]


def entries_of(runs: Sequence[SeenRun], from_ms: int) -> list[dict[str, Any]]:
    entries = [_entry(run, entry) for run in runs for entry in run.entries if entry.at_ms >= from_ms]
    return sorted(entries, key=lambda entry: (-entry["at"], -entry["offset"]))


def _entry(run: SeenRun, entry: Seen) -> dict[str, Any]:
    place = {"integration": run.integration, "topic": run.partition.topic, "partition": run.partition.partition}
    became = {"outcome": entry.outcome, "reason": entry.reason, "detail": entry.detail}
    return {**place, "offset": entry.offset, "at": entry.at_ms, **became}
