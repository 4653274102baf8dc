"""Publications of rule chains that a broker refused while nobody waited for them: dead letters, which can be published
again."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.core.clock import Clock
from tidemill.core.ids import new_id
from tidemill.ingest.ports import DeadLetter
from tidemill.ingest.publication import REFUSALS, Publication
from tidemill.ingest.record import HOPS_HEADER, TRACEPARENT_HEADER, Record
from tidemill.ingest.route import Outcome
from tidemill.rules.effects import Publish

UNHEARD = f"{REFUSALS}rules"
"""The origin of publications of rule chains that nobody waits for."""
ROUTE = "publications"
"""What such letters are filed under."""

_OURS = frozenset({HOPS_HEADER, TRACEPARENT_HEADER})


def refused_letter(publication: Publication, reason: str, now_ms: int) -> DeadLetter:
    """The record as it should have been. It has no offset, and no partition where none was asked for."""
    partition = -1 if publication.partition is None else publication.partition
    record = Record(
        publication.integration,
        publication.topic,
        "",
        partition,
        -1,
        publication.created_ms,
        publication.key,
        publication.value,
        publication.headers,
    )
    detail = {"publication": publication.id}
    return DeadLetter(new_id(now_ms), "", ROUTE, record, f"not published: {reason}", detail, now_ms)


class PublicationRoute:
    """The way that a letter takes when it is replayed (`ingest.route.Route`)."""

    name = ROUTE
    is_foreseeable = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def handle(self, records: Sequence[Record]) -> Sequence[Outcome]:
        return [Outcome("done", [Publish(self._publication(record))]) for record in records]

    def _publication(self, record: Record) -> Publication:
        now_ms = self._clock.now_ms()
        partition = None if record.partition < 0 else record.partition
        headers = tuple((name, value) for name, value in record.headers if name not in _OURS)
        place = (record.integration, record.topic, partition, record.key, record.value)
        return Publication(new_id(now_ms), *place, headers, now_ms)
