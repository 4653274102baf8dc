"""cacheDelete: what was kept under keys is forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from tidemill.core.errors import TidemillError
from tidemill.core.findings import Finding
from tidemill.expressions.exprlang.template import compile_template
from tidemill.graph.component import Component, Config
from tidemill.graph.node import SUCCESS, Batch
from tidemill.rules.cache import WILDCARD, LevelKey, place_of
from tidemill.rules.effects import DropCached
from tidemill.rules.fields.fields import Sight, field_findings, nodes_asked
from tidemill.rules.ports import CacheKey
from tidemill.rules.site import Site


class CacheDeleteConfig(Config):
    keys: list[LevelKey] = Field(
        default_factory=lambda: [LevelKey(level="chain", key="key1")], description="What is forgotten."
    )


class CacheDelete:
    def __init__(self, config: CacheDeleteConfig, site: Site) -> None:
        self._site = site
        self._keys = [(each.level, compile_template(each.key)) for each in config.keys]
        self._sight = Sight(site, [key for _, key in self._keys])

    async def process(self, batch: Batch) -> None:
        for index in range(len(batch.items)):
            try:
                seen = self._sight.of(batch, index)
                places = [place_of(self._site, level, key.render(seen)) for level, key in self._keys]
            except TidemillError as error:
                batch.fail(index, str(error))
                continue
            for place in places:
                batch.effect(index, _dropped(place))
            batch.tell(index, SUCCESS)


def _dropped(place: CacheKey) -> DropCached:
    if place.key.endswith(WILDCARD):
        return DropCached(CacheKey(place.chain, place.key[: -len(WILDCARD)]), is_prefix=True)
    return DropCached(place)


def _texts(config: CacheDeleteConfig) -> dict[str, str]:
    return {f"keys[{index}].key": each.key for index, each in enumerate(config.keys)}


def _check(config: CacheDeleteConfig, site: Site) -> Iterator[Finding]:
    return field_findings(site, _texts(config))


def _asks_for(config: CacheDeleteConfig) -> Sequence[str]:
    return nodes_asked(_texts(config).values())


def _build(config: Any, site: Site) -> CacheDelete:
    return CacheDelete(config, site)


COMPONENT = Component(
    "cacheDelete",
    "external",
    "What was kept under keys is forgotten.",
    CacheDeleteConfig,
    _build,
    check=_check,
    asks_for=_asks_for,
    examples=({"keys": [{"level": "global", "key": "session:${metadata.user}:*"}]},),
    notes="It is forgotten with the commit of the record that the message came from; the same run sees that at once.",
)
