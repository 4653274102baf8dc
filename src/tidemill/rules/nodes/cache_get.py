"""cacheGet: what was kept under keys comes into the message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from pydantic import Field, field_validator

from tidemill.core.errors import BadInput, TidemillError
from tidemill.core.findings import Finding
from tidemill.expressions.exprlang.template import compile_template
from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import SUCCESS, Batch
from tidemill.rules.cache import MATCHES_MAX, WILDCARD, LevelKey, View, place_of
from tidemill.rules.fields.fields import Sight, field_findings, nodes_asked
from tidemill.rules.ports import CacheEntry, CacheKey
from tidemill.rules.site import Site

MISS = "there is nothing in the cache under its keys"
_encode = msgspec.json.Encoder().encode
_raws = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

Found = Mapping[str, bytes | None]
"""JSON by key."""


class CacheGetConfig(Config):
    keys: list[LevelKey] = Field(
        default_factory=lambda: [LevelKey(level="chain", key="key1")], description="What is asked for."
    )
    output_mode: Literal[0, 1, 2] = Field(
        2,
        alias="outputMode",
        description="0: into the metadata, as texts; 1: into the data, which must be a JSON object; 2: in their place.",
    )
    when_not_found: Literal["", "failure", "success"] = Field(
        "",
        alias="whenKeyNotFound",
        description="Where none is there: failure or success; without it, failure in mode 2 alone.",
    )

    @field_validator("when_not_found", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


class CacheGet:
    asks = True

    def __init__(self, config: CacheGetConfig, site: Site) -> None:
        self._site = site
        self._keys = [(each.level, compile_template(each.key)) for each in config.keys]
        self._sight = Sight(site, [key for _, key in self._keys])
        self._mode = config.output_mode
        self._is_miss_failure = config.when_not_found == "failure" or (
            config.when_not_found == "" and config.output_mode == 2
        )

    async def process(self, batch: Batch) -> None:
        asked: list[tuple[int, Sequence[CacheKey]]] = []
        for index in range(len(batch.items)):
            try:
                asked.append((index, self._places(batch, index)))
            except TidemillError as error:
                batch.fail(index, str(error))
        now_ms = self._site.ports.clock.now_ms()
        stored = await self._stored([place for _, places in asked for place in places], now_ms)
        for index, places in asked:
            try:
                found = _found(View(stored(places), batch.caused(index), now_ms), places)
                if self._is_miss_failure and not any(value is not None for value in found.values()):
                    batch.fail(index, MISS)
                else:
                    batch.tell(index, SUCCESS, self._told(batch.items[index].message, found))
            except BadInput as error:
                batch.fail(index, str(error))

    def _places(self, batch: Batch, index: int) -> Sequence[CacheKey]:
        seen = self._sight.of(batch, index)
        return [place_of(self._site, level, key.render(seen)) for level, key in self._keys]

    async def _stored(self, places: Sequence[CacheKey], now_ms: int) -> _Stored:
        if not places:
            return _Stored(())
        keys = [place for place in places if not place.key.endswith(WILDCARD)]
        prefixes = [_prefix(place) for place in places if place.key.endswith(WILDCARD)]
        return _Stored(await self._site.ports.cache.read(keys, prefixes, now_ms, MATCHES_MAX + 1))

    def _told(self, message: Message, found: Found) -> Message:
        if self._mode == 0:
            return message.told(metadata={**message.metadata, **{key: _text(value) for key, value in found.items()}})
        values = {key: msgspec.Raw(value or b"null") for key, value in found.items()}
        if self._mode == 2:
            return message.told(data=_encode(values), data_type="JSON")
        try:
            return message.told(data=_encode({**_raws(message.data), **values}))
        except (msgspec.DecodeError, RecursionError):
            raise BadInput("the data must be a JSON object for the values to go in") from None


class _Stored:
    """What the database said, for all items of a batch."""

    def __init__(self, entries: Sequence[CacheEntry]) -> None:
        self._entries = {CacheKey(entry.chain, entry.key): entry for entry in entries}

    def __call__(self, places: Sequence[CacheKey]) -> Iterator[CacheEntry]:
        for place in places:
            if place.key.endswith(WILDCARD):
                prefix = _prefix(place)
                for entry in self._entries.values():
                    if entry.chain == prefix.chain and entry.key.startswith(prefix.key):
                        yield entry
            elif place in self._entries:
                yield self._entries[place]


def _found(view: View, places: Sequence[CacheKey]) -> Found:
    found: dict[str, bytes | None] = {}
    for place in places:
        if place.key.endswith(WILDCARD):
            found |= view.beginning(_prefix(place))
        else:
            found[place.key] = view.value(place)
    return found


def _prefix(place: CacheKey) -> CacheKey:
    return CacheKey(place.chain, place.key[: -len(WILDCARD)])


def _text(value: bytes | None) -> str:
    """Of a text itself; of everything else its JSON."""
    if value is None or value == b"null":
        return ""
    return str(msgspec.json.decode(value)) if value.startswith(b'"') else value.decode()


def _texts(config: CacheGetConfig) -> dict[str, str]:
    return {f"keys[{index}].key": each.key for index, each in enumerate(config.keys)}


def _check(config: CacheGetConfig, site: Site) -> Iterator[Finding]:
    return field_findings(site, _texts(config))


def _asks_for(config: CacheGetConfig) -> Sequence[str]:
    return nodes_asked(_texts(config).values())


def _build(config: Any, site: Site) -> CacheGet:
    return CacheGet(config, site)


COMPONENT = Component(
    "cacheGet",
    "external",
    "What was kept under keys comes into the message.",
    CacheGetConfig,
    _build,
    check=_check,
    asks_for=_asks_for,
    examples=({"keys": [{"level": "chain", "key": "last:${metadata.deviceId}"}], "outputMode": 0},),
    notes=(
        "Values keep their types in the data; in the metadata they are texts. A key that is not there is `null` in the"
        f" data and an empty text in the metadata. `*` may find {MATCHES_MAX:,} keys; more is a failure.\n\n"
        "The message sees what has been committed, and what nodes before it in the same run have kept or deleted. It"
        " does not see what other records of the same batch are about to keep."
    ),
)
