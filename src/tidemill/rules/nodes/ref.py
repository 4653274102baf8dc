"""ref: uses a node, or all that follows from it, at a second place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from tidemill.core.findings import Finding
from tidemill.graph.component import Component, Config
from tidemill.graph.node import Batch, Result, Waited
from tidemill.rules.site import Site


class RefConfig(Config):
    target_id: str = Field(
        min_length=1, alias="targetId", description="A node of this chain, or `chain:node` for one of another chain."
    )
    tell_chain: bool = Field(
        False, alias="tellChain", description="Run all that follows from the node there, too, and go on with its ends."
    )


class Ref:
    def __init__(self, entry: str, is_followed: bool) -> None:
        self._entry = entry
        self._is_followed = is_followed

    async def process(self, batch: Batch) -> None:
        given = [(index, item.message) for index, item in enumerate(batch.items)]
        _tell(batch, await batch.inside(self._entry, given, is_followed=self._is_followed))

    async def go_on(self, batch: Batch, waited: Sequence[Waited]) -> None:
        _tell(batch, [each.results[0] for each in waited])


def _tell(batch: Batch, results: Sequence[Result]) -> None:
    """Of a branch that waits, the ends come later."""
    for index, result in enumerate(results):
        if result.is_held:
            batch.wait(index, [result.rest(with_ends=False)])
        elif not result.ends:
            batch.take(index)
        for end in result.ends:
            if end.error is not None:
                batch.fail(index, end.error)
            else:
                batch.tell(index, end.relation, end.message)


def _entry(config: RefConfig) -> str:
    parts = [part.strip() for part in config.target_id.split(":")]
    return parts[0] if len(parts) == 1 else f"chain:{':'.join(parts)}"


def _check(config: RefConfig, site: Site) -> Iterator[Finding]:
    parts = config.target_id.split(":")
    if len(parts) > 2 or not all(map(str.strip, parts)):
        yield site.finding("targetId", "must be a node, or chain:node")


def _build(config: RefConfig, site: Site) -> Ref:
    return Ref(_entry(config), config.tell_chain)


COMPONENT = Component(
    "ref",
    "flow",
    "Uses a node of this or another chain at a second place. The message goes on here, by that node's relation.",
    RefConfig,
    _build,
    relations=None,
    check=_check,
    entries=lambda config: [("targetId", _entry(config))],
    examples=({"targetId": "s1"}, {"targetId": "checks:s1", "tellChain": True}),
)
