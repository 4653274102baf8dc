"""groupFilter: several filters as one, all of them or any."""

from __future__ import annotations

from pydantic import Field

from tidemill.graph.component import Component
from tidemill.graph.node import FALSE, TRUE, Batch, Result
from tidemill.rules.nodes.grouping import GroupConfig, run_group
from tidemill.rules.site import Site


class GroupFilterConfig(GroupConfig):
    all_matches: bool = Field(False, alias="allMatches", description="True only where all nodes tell True, not any.")


class GroupFilter:
    def __init__(self, config: GroupFilterConfig) -> None:
        self._nodes = config.node_ids
        self._holds = all if config.all_matches else any

    async def process(self, batch: Batch) -> None:
        for index, results in enumerate(await run_group(batch, self._nodes)):
            batch.tell(index, TRUE if self._holds(map(_is_true, results)) else FALSE)


def _is_true(result: Result) -> bool:
    return any(end.relation == TRUE for end in result.ends)


def _build(config: GroupFilterConfig, site: Site) -> GroupFilter:
    return GroupFilter(config)


COMPONENT = Component(
    "groupFilter",
    "filter",
    "Several filters as one: True where any of them tells True, or with `allMatches` where all do.",
    GroupFilterConfig,
    _build,
    relations=(TRUE, FALSE, "Failure"),
    entries=GroupFilterConfig.entries,
    examples=({"nodeIds": "hot,wet", "allMatches": True},),
    notes="A filter that fails told no True.",
)
