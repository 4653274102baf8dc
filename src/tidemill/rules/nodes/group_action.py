"""groupAction: runs a message through several nodes, and asks how many of them told what was hoped for."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from tidemill.graph.component import Component
from tidemill.graph.node import SUCCESS, Batch, Result
from tidemill.rules.gathered import TooLong, failures_of, gathered, parts_of
from tidemill.rules.nodes.grouping import Group, GroupConfig
from tidemill.rules.site import Site


class GroupActionConfig(GroupConfig):
    relation: str = Field(SUCCESS, alias="matchRelationType", description="The relation that counts as a match.")
    count: int = Field(0, alias="matchNum", description="How many nodes must match; 0, or too many, means all.")
    merge_to_map: bool = Field(
        False, alias="mergeToMap", description="Merge the nodes' objects into one, instead of listing their messages."
    )


class GroupAction(Group):
    def __init__(self, config: GroupActionConfig, site: Site) -> None:
        super().__init__(config, site)
        self._relation = config.relation.strip() or SUCCESS
        self._count = config.count if 0 < config.count <= len(self.nodes) else len(self.nodes)
        self._is_map = config.merge_to_map

    def tell(self, batch: Batch, index: int, results: Sequence[Result], late: Sequence[str]) -> None:
        parts = [part for result in results for part in parts_of(result.ends[-1:])]
        try:
            message = gathered(batch.items[index].message, parts, is_map=self._is_map)
        except TooLong as error:
            batch.fail(index, str(error))
            return
        matched = self._matched(results, late)
        if matched >= self._count:
            batch.tell(index, SUCCESS, message)
        else:
            reason = f"{matched} of {len(self.nodes)} nodes told {self._relation}, {self._count} are to"
            failures = failures_of(parts)
            batch.fail(index, f"{reason}: {failures}" if failures else reason, message)

    def _matched(self, results: Sequence[Result], late: Sequence[str]) -> int:
        return sum(
            node not in late and any(end.relation == self._relation for end in result.ends)
            for node, result in zip(self.nodes, results, strict=True)
        )


def _build(config: GroupActionConfig, site: Site) -> GroupAction:
    return GroupAction(config, site)


COMPONENT = Component(
    "groupAction",
    "flow",
    "Runs the message through several nodes; Success where enough of them tell the relation that is asked for.",
    GroupActionConfig,
    _build,
    entries=GroupActionConfig.entries,
    examples=({"nodeIds": "s1,s2"}, {"nodeIds": ["s1", "s2"], "matchNum": 1, "mergeToMap": True}),
    notes=(
        "All nodes run at once, and all of their messages are listed in the order of `nodeIds`; edges are not followed."
        " What a node has not done when its `timeout` is over is given up, and fails: a call, a script, a message that"
        " it holds up. What a message waits behind others does not count."
    ),
)
