"""A record that waits in the outbox, and what became of it."""

from __future__ import annotations

import msgspec

from tidemill.ingest.record import Headers

REFUSALS = "!"
"""How the origin of a publication begins that wants to hear of refusals only."""


class Publication(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One record to be published once. `origin` names what waits for it (a task id), or is empty.

    `partition` None leaves the choice to Kafka's partitioner: by key, or spread where there is no key.
    `id` travels as the header `tidemill-id`; it is unique and derived from the cause.
    """

    id: str
    integration: str
    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers
    created_ms: int
    origin: str = ""


class Published(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An effect: the broker has acknowledged the publication that `origin` waits for.

    `partition` and `offset` are None where a crash lost them and they could not be found again."""

    origin: str
    topic: str
    partition: int | None
    offset: int | None


class PublicationRefused(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An effect: the publication will never go out. `reason` is the broker's, or says that there is none any more."""

    origin: str
    topic: str
    reason: str
    publication: Publication | None = None


def hears_of_success(publication: Publication) -> bool:
    return bool(publication.origin) and not publication.origin.startswith(REFUSALS)
