"""What rule chains keep between messages: what a run sees of it, and what is to be written. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tidemill.core.errors import BadInput
from tidemill.graph.node import Effect
from tidemill.rules.effects import DropCached, KeepCached
from tidemill.rules.ports import CacheChanges, CacheEntry, CacheKey
from tidemill.rules.site import Site

WILDCARD = "*"
KEY_MAX = 500
"""Characters: PostgreSQL keeps no larger key in an index."""
VALUE_BYTES_MAX = 1024 * 1024
MATCHES_MAX = 1_000
NEVER_MS = 2**62

Level = Literal["chain", "global", ""]


class LevelKey(BaseModel):
    """One key in the configuration of a node."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Level = Field("chain", description="chain: of this chain alone; global: of all chains.")
    key: str = Field(min_length=1, description="A template. With `*` at its end, all keys that begin so.")


def place_of(site: Site, level: Level, key: str) -> CacheKey:
    """Raises `BadInput` for what is no key."""
    if not key:
        raise BadInput("the key is empty")
    if len(key) > KEY_MAX:
        raise BadInput(f"the key {key[:50]!r}... has more than {KEY_MAX} characters")
    if "\x00" in key or not _is_text(key):
        raise BadInput("a key can have neither a NUL character nor half a surrogate pair")
    return CacheKey("" if level == "global" else site.chain, key)


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


class View:
    """What is stored, as a run sees it that has caused these effects already."""

    def __init__(self, stored: Iterable[CacheEntry], caused: Sequence[Effect], now_ms: int) -> None:
        values = {CacheKey(entry.chain, entry.key): entry.value for entry in stored}
        for effect in caused:
            if isinstance(effect, KeepCached):
                place = CacheKey(effect.entry.chain, effect.entry.key)
                values.pop(place, None)
                if effect.entry.until_ms > now_ms:
                    values[place] = effect.entry.value
            elif isinstance(effect, DropCached):
                values = {place: value for place, value in values.items() if not _is_dropped(place, effect)}
        self._values = values

    def value(self, place: CacheKey) -> bytes | None:
        return self._values.get(place)

    def beginning(self, prefix: CacheKey) -> Mapping[str, bytes]:
        """By key, in order. Raises `BadInput` where they are too many."""
        found = {
            place.key: value
            for place, value in sorted(self._values.items())
            if place.chain == prefix.chain and place.key.startswith(prefix.key)
        }
        if len(found) > MATCHES_MAX:
            raise BadInput(f"more than {MATCHES_MAX:,} keys begin with {prefix.key[:50]!r}")
        return found


def changes_of(effects: Iterable[KeepCached | DropCached]) -> CacheChanges:
    """What is left to do of effects that follow each other: the last word on each key."""
    put: dict[CacheKey, CacheEntry] = {}
    dropped: dict[CacheKey, None] = {}
    prefixes: dict[CacheKey, None] = {}
    for effect in effects:
        if isinstance(effect, KeepCached):
            put[CacheKey(effect.entry.chain, effect.entry.key)] = effect.entry
        else:
            put = {place: entry for place, entry in put.items() if not _is_dropped(place, effect)}
            (prefixes if effect.is_prefix else dropped)[effect.place] = None
    return CacheChanges(list(put.values()), list(dropped), list(prefixes))


def _is_dropped(place: CacheKey, effect: DropCached) -> bool:
    if not effect.is_prefix:
        return place == effect.place
    return place.chain == effect.place.chain and place.key.startswith(effect.place.key)
