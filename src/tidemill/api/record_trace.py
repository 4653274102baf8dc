"""Puts together what became of one record, from the history, the positions, the parking place and the executions.

Reads only. What it cannot know (the history is kept for a set time) it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidemill.api.dead_letters import letter_json
from tidemill.api.ports import Executions, RecordLog
from tidemill.api.trace_execution import execution_trace
from tidemill.core.errors import NotFound
from tidemill.ingest.ports import DeadLetter, Gap, Places, Seen, SeenRun
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.subscription import GroupKey, Subscription, Subscriptions
from tidemill.rules.endpoints.route import RecordMessages
from tidemill.workflows.state.state import execution_of

GAPS_MAX = 1_000
LETTER_PAGE = 500
_PLACE = ("topic", "partition", "offset")
LETTER_PAGES_MAX = 20


class RecordId(msgspec.Struct, frozen=True):
    integration: str
    topic: str
    partition: int
    offset: int

    @property
    def key(self) -> PartitionKey:
        return PartitionKey(self.topic, self.partition)


class RecordTracer:
    def __init__(
        self, places: Places, subscriptions: Subscriptions, executions: Executions, records: RecordLog
    ) -> None:
        self._places = places
        self._subscriptions = subscriptions
        self._executions = executions
        self._records = records

    async def trace(self, record: RecordId) -> dict[str, Any]:
        """`state` is what became of it as a whole, `routes` what each route made of it, `groups` where the
        readers of its topic stand."""
        runs = await self._places.history.of_record(record.integration, record.key, record.offset)
        routes = [await self._route(record, run, entry, times) for run, entry, times in _attempts(runs)]
        settled = {found["route"] for found in routes if found["outcome"] != "retry"}
        groups = [
            await self._group(record, key, subscriptions, settled) for key, subscriptions in await self._readers(record)
        ]
        gap = await self._gap(record)
        state, summary = _state(routes, groups, gap)
        return {
            "record": msgspec.structs.asdict(record),
            "state": state,
            "summary": summary,
            "routes": routes,
            "groups": groups,
            "gap": gap,
        }

    async def _readers(self, record: RecordId) -> list[tuple[GroupKey, Sequence[Subscription]]]:
        """The groups that read the record's topic now, with the subscriptions that do."""
        current = await self._subscriptions.current()
        readers: list[tuple[GroupKey, Sequence[Subscription]]] = []
        for key, subscriptions in current.groups.items():
            reading = [found for found in subscriptions if found.reads(record.topic)]
            if key.integration == record.integration and reading:
                readers.append((key, reading))
        return readers

    async def _group(
        self, record: RecordId, key: GroupKey, subscriptions: Sequence[Subscription], settled: set[str]
    ) -> dict[str, Any]:
        position = (await self._places.positions.load(key)).get(record.key)
        is_read = position is not None and record.offset < position.next_offset
        blocked = await self._places.parking.blocked(key) if is_read else {}
        names = [subscription.route.name for subscription in subscriptions]
        return {
            "group": key.group,
            "nextOffset": None if position is None else position.next_offset,
            "isRead": is_read,
            "routes": names,
            "parkedAt": [name for name in names if name not in settled and (name, record.key) in blocked],
        }

    async def _gap(self, record: RecordId) -> dict[str, Any] | None:
        for key, gap in await self._places.gaps.find(record.integration, GAPS_MAX):
            if gap.partition == record.key and gap.first <= record.offset <= gap.last:
                return _gap_json(key, gap)
        return None

    async def _route(self, record: RecordId, run: SeenRun, entry: Seen, times: int) -> dict[str, Any]:
        letter = await self._letter(record, run, entry) if entry.outcome == "invalid" else None
        return {
            "route": run.route,
            "topicId": run.topic_id,
            "outcome": entry.outcome,
            "times": times,
            "at": entry.at_ms,
            "reason": entry.reason,
            "detail": entry.detail,
            "executions": [await self._execution(execution_id) for execution_id in _execution_ids(entry)],
            "publications": await self._publications(record, run, entry),
            "deadLetter": letter_json(letter) if letter else None,
        }

    async def _publications(self, record: RecordId, run: SeenRun, entry: Seen) -> list[dict[str, Any]]:
        """Where that is what a rule chain published: its records carry ids that begin with the message's, which is made
        of the record's. Executions know theirs themselves."""
        names = [name.partition(":") for name in entry.detail.get("published", ())]
        if not names or entry.outcome != "done":
            return []
        key, topic_ids = record.key, {record.topic: run.topic_id}
        read = await self._records.read(record.integration, topic_ids, {key: [record.offset]})
        found = read.get((key, record.offset))
        if found is None:
            return []
        prefix = f"{RecordMessages(run.route).of([found])[0].id}:".encode()
        shown: list[dict[str, Any]] = []
        for integration in dict.fromkeys(name for name, _, _ in names):
            topics = [topic for name, _, topic in names if name == integration]
            for place in await self._records.find_sent(integration, topics, prefix, entry.at_ms):
                shown.append({"integration": integration, **dict(zip(_PLACE, place, strict=True))})
        return shown

    async def _execution(self, execution_id: str) -> dict[str, Any]:
        try:
            return execution_trace(*await self._executions.get(execution_id))
        except NotFound:
            return {"workflowId": execution_id, "status": None, "tasks": []}

    async def _letter(self, record: RecordId, run: SeenRun, entry: Seen) -> DeadLetter | None:
        """Dead letters are filed by time: those of the route are looked through until they are older."""
        before_id = None
        for _ in range(LETTER_PAGES_MAX):
            page = await self._places.dead_letters.find(
                integration=record.integration, route=run.route, state=None, limit=LETTER_PAGE, before_id=before_id
            )
            for letter in page:
                if _is_of(letter, record, run):
                    return letter
            if len(page) < LETTER_PAGE or page[-1].at_ms < entry.at_ms:
                return None
            before_id = page[-1].id
        return None


def _attempts(runs: Sequence[SeenRun]) -> list[tuple[SeenRun, Seen, int]]:
    """What a route tried again, and came to the same, is there once: as it was last, with how often."""
    found: list[tuple[SeenRun, Seen, int]] = []
    last: dict[str, int] = {}
    for run in runs:
        for entry in run.entries:
            at = last.setdefault(run.route, len(found))
            _, before, times = found[at] if at < len(found) else (run, entry, 0)
            if times and entry.outcome == "retry" == before.outcome and entry.reason == before.reason:
                found[at] = (run, entry, times + 1)
            else:
                last[run.route] = len(found)
                found.append((run, entry, 1))
    return found


def _is_of(letter: DeadLetter, record: RecordId, run: SeenRun) -> bool:
    found = letter.record
    place = (found.topic, found.partition, found.offset, found.topic_id)
    return place == (record.topic, record.partition, record.offset, run.topic_id)


def _execution_ids(entry: Seen) -> list[str]:
    """Each once; a result that names a task stands for its execution."""
    ids = [text if not (head := execution_of(text)) else head for text in entry.results if isinstance(text, str)]
    return list(dict.fromkeys(ids))


def _gap_json(key: GroupKey, gap: Gap) -> dict[str, Any]:
    return {"group": key.group, "first": gap.first, "last": gap.last, "reason": gap.reason, "at": gap.at_ms}


def _state(
    routes: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]], gap: Mapping[str, Any] | None
) -> tuple[str, str]:
    parked = [name for group in groups for name in group["parkedAt"]]
    if parked:
        return "parked", f"waiting (parked): {', '.join(parked)} will be tried again"
    # A record that was replayed has several entries on a route; the last one counts.
    last = {found["route"]: found["outcome"] for found in routes}
    idle = [name for name, outcome in last.items() if outcome == "retry"]
    if idle:
        return "parked", f"waiting (parked): {', '.join(idle)} is not at work"
    if "invalid" in last.values():
        return "dead_letter", "at least one route could not process it: see its dead letter"
    if routes:
        return "handled", "every route that saw it is done with it"
    if gap is not None:
        return "gap", f"in a gap: gone before it could be read ({gap['reason']})"
    if not groups:
        return "unread", "no active handler or endpoint reads this topic"
    if not any(group["isRead"] for group in groups):
        return "not_read", "not read yet"
    return "forgotten", "read, and nothing is on file: its history is over, or no handler was active then"
