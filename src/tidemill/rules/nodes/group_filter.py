"""groupFilter: several filters as one, all of them or any."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from tidemill.graph.component import Component
from tidemill.graph.node import FALSE, TRUE, Batch, Result
from tidemill.rules.gathered import failures_of, parts_of
from tidemill.rules.nodes.grouping import Group, GroupConfig
from tidemill.rules.site import Site


class GroupFilterConfig(GroupConfig):
    all_matches: bool = Field(False, alias="allMatches", description="True only where all nodes tell True, not any.")


class GroupFilter(Group):
    def __init__(self, config: GroupFilterConfig, site: Site) -> None:
        super().__init__(config, site)
        self._is_all = config.all_matches
        self._holds = all if config.all_matches else any

    def tell(self, batch: Batch, index: int, results: Sequence[Result], late: Sequence[str]) -> None:
        is_true = self._holds(
            _is_true(result) for node, result in zip(self.nodes, results, strict=True) if node not in late
        )
        if late and is_true is self._is_all:
            failures = failures_of([part for result in results for part in parts_of(result.ends)])
            batch.fail(index, f"what is true depends on {', '.join(late)}: {failures}")
        else:
            batch.tell(index, TRUE if is_true else FALSE)


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
        "All filters run at once. One that fails told no True. What one has not done when its `timeout` is over is"
        " given up; then the group fails, if it depends on that one."
    ),
)
