"""cacheSet: keeps values for messages that come later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from tidemill.core.errors import BadInput, TidemillError
from tidemill.core.findings import Finding
from tidemill.expressions.exprlang.errors import Misuse
from tidemill.expressions.exprlang.moments import parse_duration
from tidemill.expressions.exprlang.template import Template, compile_template
from tidemill.graph.component import Component, Config
from tidemill.graph.node import SUCCESS, Batch
from tidemill.rules.cache import NEVER_MS, VALUE_BYTES_MAX, Level, place_of
from tidemill.rules.effects import KeepCached
from tidemill.rules.fields.fields import Sight, field_findings, nodes_asked
from tidemill.rules.ports import CacheEntry
from tidemill.rules.site import Site

_encode = msgspec.json.Encoder().encode


class CacheItem(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Level = Field("chain", description="chain: of this chain alone; global: of all chains.")
    key: str = Field(min_length=1, description="A template.")
    value: Any = Field(None, description="Any JSON; a text is a template, and one that is all `${...}` keeps its type.")
    ttl: str = Field("", description="How long it is kept: 10s, 5m, 1h30m. Without it, until it is deleted.")


class CacheSetConfig(Config):
    items: list[CacheItem] = Field(
        default_factory=lambda: [CacheItem(level="chain", key="key1", value="value1", ttl="1h")],
        description="What is kept.",
    )


class CacheSet:
    def __init__(self, config: CacheSetConfig, site: Site) -> None:
        self._site = site
        self._items = [
            (item.level, compile_template(item.key), _value(item.value), _ttl_ms(item.ttl)) for item in config.items
        ]
        values = [value for _, _, value, _ in self._items if isinstance(value, Template)]
        self._sight = Sight(site, [*(key for _, key, _, _ in self._items), *values])

    async def process(self, batch: Batch) -> None:
        now_ms = self._site.ports.clock.now_ms()
        for index in range(len(batch.items)):
            try:
                entries = list(self._entries(batch, index, now_ms))
            except TidemillError as error:
                batch.fail(index, str(error))
                continue
            for entry in entries:
                batch.effect(index, KeepCached(entry))
            batch.tell(index, SUCCESS)

    def _entries(self, batch: Batch, index: int, now_ms: int) -> Iterator[CacheEntry]:
        seen = self._sight.of(batch, index)
        for level, key, value, ttl_ms in self._items:
            place = place_of(self._site, level, key.render(seen))
            data = _encode(value.value(seen) if isinstance(value, Template) else value)
            if len(data) > VALUE_BYTES_MAX:
                raise BadInput(f"the value of {place.key[:50]!r} has more than {VALUE_BYTES_MAX:,} bytes")
            until_ms = NEVER_MS if ttl_ms is None else now_ms + ttl_ms
            yield CacheEntry(place.chain, place.key, until_ms, data)


def _value(value: Any) -> Any:
    return compile_template(value) if isinstance(value, str) else value


def _ttl_ms(ttl: str) -> int | None:
    return int(parse_duration(ttl)) // 1_000_000 if ttl else None


def _texts(config: CacheSetConfig) -> dict[str, str]:
    texts = {f"items[{index}].key": item.key for index, item in enumerate(config.items)}
    values = {f"items[{index}].value": item.value for index, item in enumerate(config.items)}
    return texts | {path: value for path, value in values.items() if isinstance(value, str)}


def _check(config: CacheSetConfig, site: Site) -> Iterator[Finding]:
    yield from field_findings(site, _texts(config))
    for index, item in enumerate(config.items):
        try:
            ttl_ms = _ttl_ms(item.ttl)
        except Misuse as error:
            yield site.finding(f"items[{index}].ttl", str(error))
        else:
            if ttl_ms is not None and not 0 < ttl_ms < NEVER_MS:
                yield site.finding(f"items[{index}].ttl", "must be longer than nothing, and shorter than for ever")


def _asks_for(config: CacheSetConfig) -> Sequence[str]:
    return nodes_asked(_texts(config).values())


def _build(config: Any, site: Site) -> CacheSet:
    return CacheSet(config, site)


COMPONENT = Component(
    "cacheSet",
    "external",
    "Keeps values under keys, for messages that come later.",
    CacheSetConfig,
    _build,
    check=_check,
    asks_for=_asks_for,
    examples=(
        {"items": [{"level": "chain", "key": "last:${metadata.deviceId}", "value": "${msg.temperature}", "ttl": "1h"}]},
    ),
    notes=(
        "What is kept is stored with the commit of the record that the message came from, or not at all: a record that"
        " fails keeps nothing, and one that is processed again after a crash keeps it once. Nodes that follow in the"
        " same run see it at once. Other records see it after the commit; those of one batch are processed together,"
        " and do not see each other's.\n\n"
        "A value has at most one megabyte as JSON, a key 500 characters."
    ),
)
