"""join: waits for all branches of a message that are still on their way here, and makes one message of them."""

from __future__ import annotations

from pydantic import Field

from tidemill.graph.component import Component, Config
from tidemill.graph.node import SUCCESS, Batch
from tidemill.rules.gathered import Part, TooLong, failures_of, gathered
from tidemill.rules.site import Site


class JoinConfig(Config):
    timeout: int = Field(30, ge=0, description="Seconds to wait for branches that are held up; 0 has no limit.")
    merge_to_map: bool = Field(
        False, alias="mergeToMap", description="Merge the branches' objects into one, instead of listing the branches."
    )


class Join:
    """`wait_ms`: how long a message waits here at most, where another branch of it is held; 0 has no limit."""

    def __init__(self, config: JoinConfig) -> None:
        self.wait_ms = config.timeout * 1000
        self._is_map = config.merge_to_map

    async def process(self, batch: Batch) -> None:
        together: dict[int, list[int]] = {}
        for index, item in enumerate(batch.items):
            together.setdefault(item.run, []).append(index)
        for indexes in together.values():
            self._join(batch, indexes)

    def _join(self, batch: Batch, indexes: list[int]) -> None:
        first, *others = indexes
        items = batch.items
        parts = [Part(batch.came_from(index)[0], items[index].message, items[index].error) for index in indexes]
        reason = failures_of(parts)
        try:
            message = gathered(items[first].message, parts, is_map=self._is_map)
        except TooLong as error:
            batch.fail(first, reason or str(error))
        else:
            if reason:
                batch.fail(first, reason, message)
            else:
                batch.tell(first, SUCCESS, message)
        for other in others:
            batch.take(other)


def _build(config: JoinConfig, site: Site) -> Join:
    return Join(config)


COMPONENT = Component(
    "join",
    "flow",
    "Waits for all branches of a message that are still on their way here, and makes one message of them.",
    JoinConfig,
    _build,
    gathers=True,
    is_pure=True,
    examples=({}, {"mergeToMap": True}),
    notes=(
        "The message's data is a list of `{msg, err, nodeId}`, or with `mergeToMap` one object; its metadata is that of"
        " all branches that did not fail. Where a branch came by its Failure, the join tells Failure with all the same."
        " A branch that went elsewhere, or ended, is not waited for."
    ),
)
