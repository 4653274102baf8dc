"""groupFilter: several filters as one, all of them or any."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from tidemill.graph.component import Component
from tidemill.graph.node import FALSE, TRUE, Batch, Result
from tidemill.rules.nodes.grouping import Group, GroupConfig
from tidemill.rules.site import Site


class GroupFilterConfig(GroupConfig):
    all_matches: bool = Field(False, alias="allMatches", description="True only where all nodes tell True, not any.")


class GroupFilter(Group):
    def __init__(self, config: GroupFilterConfig, site: Site) -> None:
        super().__init__(config, site)
        self._holds = all if config.all_matches else any

    def tell(self, batch: Batch, index: int, results: Sequence[Result]) -> None:
        batch.tell(index, TRUE if self._holds(map(_is_true, results)) else FALSE)


def _is_true(result: Result) -> bool:
    return any(end.relation == TRUE for end in result.ends)


def _build(config: GroupFilterConfig, site: Site) -> GroupFilter:
    return GroupFilter(config, site)


COMPONENT = Component(
    "groupFilter",
    "filter",
    "Several filters as one: True where any of them tells True, or with `allMatches` where all do.",
    GroupFilterConfig,
    _build,
    relations=(TRUE, FALSE, "Failure"),
    entries=GroupFilterConfig.entries,
    examples=({"nodeIds": "hot,wet", "allMatches": True},),
    notes=(
        "A filter that fails told no True. Where one holds messages up, the group waits, and fails when its `timeout`"
        " is over."
    ),
)
