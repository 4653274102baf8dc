"""What rule chains cause. Each is written by `rules.door` in the transaction of the record that caused it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidemill.ingest.effect import Effect
from tidemill.ingest.publication import Publication
from tidemill.rules.ports import CacheEntry, CacheKey
from tidemill.rules.waiting.held import HeldRun


class Publish(msgspec.Struct, frozen=True, gc=False):
    """Its headers are the user's; the door adds hops and trace."""

    publication: Publication


class KeepCached(msgspec.Struct, frozen=True):
    entry: CacheEntry


class DropCached(msgspec.Struct, frozen=True):
    """One key, or all that begin so."""

    place: CacheKey
    is_prefix: bool = False


class HoldRun(msgspec.Struct, frozen=True):
    """A run of which branches wait. It goes on by itself (`rules.resuming`)."""

    run: HeldRun


def topics_of(effects: Sequence[Effect]) -> Sequence[str]:
    """That these publish to, each once, as `integration:topic`."""
    topics: dict[str, None] = {}
    for effect in effects:
        if type(effect) is Publish:
            topics[f"{effect.publication.integration}:{effect.publication.topic}"] = None
    return tuple(topics)
