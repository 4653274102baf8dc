"""flow: runs the message through another chain."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from tidemill.graph.component import Component, Config
from tidemill.graph.node import FAILURE, SUCCESS, Batch, Result, Waited
from tidemill.rules.gathered import TooLong, failures_of, gathered, parts_of
from tidemill.rules.site import Site


class FlowConfig(Config):
    target_id: str = Field(min_length=1, alias="targetId", description="The chain's id.")
    extend: bool = Field(
        False, description="Go on with each end of that chain, by its relation, instead of with one list of all ends."
    )


class Flow:
    def __init__(self, config: FlowConfig) -> None:
        self._entry = f"chain:{config.target_id.strip()}"
        self._extends = config.extend

    async def process(self, batch: Batch) -> None:
        given = [(index, item.message) for index, item in enumerate(batch.items)]
        self._tell(batch, await batch.inside(self._entry, given))

    async def go_on(self, batch: Batch, waited: Sequence[Waited]) -> None:
        self._tell(batch, [each.results[0] for each in waited])

    def _tell(self, batch: Batch, results: Sequence[Result]) -> None:
        for index, result in enumerate(results):
            if self._extends:
                _extend(batch, index, result)
            elif result.is_held:
                batch.wait(index, [result])
            else:
                _merge(batch, index, result)


def _extend(batch: Batch, index: int, result: Result) -> None:
    """Of a branch that waits, the ends come later."""
    if result.is_held:
        batch.wait(index, [result.rest(with_ends=False)])
    elif not result.ends:
        batch.take(index)
    for end in result.ends:
        if end.error is not None:
            batch.fail(index, end.error, end.message)
        else:
            batch.tell(index, end.relation, end.message)


def _merge(batch: Batch, index: int, result: Result) -> None:
    """A failure has the message that came in: a dead letter is to have that, and lists that quote each other's data
    would double from chain to chain."""
    parts = parts_of(result.ends)
    if any(end.relation == FAILURE for end in result.ends):
        batch.fail(index, failures_of(parts) or "a branch of the chain failed")
        return
    try:
        batch.tell(index, SUCCESS, gathered(batch.items[index].message, parts))
    except TooLong as error:
        batch.fail(index, str(error))


def _build(config: FlowConfig, site: Site) -> Flow:
    return Flow(config)


COMPONENT = Component(
    "flow",
    "flow",
    "Runs the message through another chain, and goes on with what comes of it.",
    FlowConfig,
    _build,
    relations=None,
    entries=lambda config: [("targetId", f"chain:{config.target_id.strip()}")],
    examples=({"targetId": "checks"}, {"targetId": "checks", "extend": True}),
    notes=(
        "Without `extend` the data is a list of `{msg, err, nodeId}`, one for each end, by Success, or by Failure where"
        " a branch failed: then it is the message that came in."
    ),
)
