"""TbRuleChainInputNode: runs the message through another chain, and goes on where that says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from tidemill.core.findings import Finding
from tidemill.graph.component import Component
from tidemill.graph.node import FAILURE, Batch, Result, Waited
from tidemill.rules.nodes.tb_config import TbConfig, unknown_keys
from tidemill.rules.site import Site


class RuleChainInputConfig(TbConfig):
    chain_id: str = Field(min_length=1, alias="ruleChainId", description="The chain's id.")
    is_by_profile: bool = Field(
        False,
        alias="forwardMsgToDefaultRuleChain",
        description="Not supported: there are no device profiles that name a chain.",
    )


class RuleChainInput:
    def __init__(self, config: RuleChainInputConfig) -> None:
        self._entry = _entry(config)

    async def process(self, batch: Batch) -> None:
        given = [(index, item.message) for index, item in enumerate(batch.items)]
        for index, result in enumerate(await batch.inside(self._entry, given)):
            _tell(batch, index, result)

    async def go_on(self, batch: Batch, waited: Sequence[Waited]) -> None:
        for index, each in enumerate(waited):
            _tell(batch, index, each.results[0])


def _tell(batch: Batch, index: int, result: Result) -> None:
    """What comes to an output node there goes on here; so does a failure, so that nobody loses sight of it."""
    if result.is_held:
        batch.wait(index, [result.rest(with_ends=False)])
    else:
        batch.take(index)
    for end in result.ends:
        if end.is_last and end.error is None:
            batch.tell(index, end.relation, end.message)
        elif end.relation == FAILURE:
            batch.fail(index, end.error or "a branch of the chain failed", end.message)


def _check(config: RuleChainInputConfig, site: Site) -> Iterator[Finding]:
    yield from unknown_keys(config, site)
    if config.is_by_profile:
        message = "there are no device profiles that name a chain"
        yield site.finding("forwardMsgToDefaultRuleChain", message, "not_supported")


def _entry(config: RuleChainInputConfig) -> str:
    return f"chain:{config.chain_id.strip()}"


def _build(config: Any, site: Site) -> RuleChainInput:
    return RuleChainInput(config)


COMPONENT = Component(
    "org.thingsboard.rule.engine.flow.TbRuleChainInputNode",
    "flow",
    "Runs the message through another chain, and goes on by the names of the output nodes that it comes to there.",
    RuleChainInputConfig,
    _build,
    check=_check,
    relations=None,
    entries=lambda config: [("ruleChainId", _entry(config))],
    examples=({"ruleChainId": "3d34a610-8ad5-11ee-9d1c-6f5f1f3a0b11"},),
    notes=(
        "What ends there elsewhere than in an output node does not come back, but for failures that nobody there takes:"
        " they go by `Failure`."
    ),
)
