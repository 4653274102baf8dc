"""break: ends the loop that the message is in."""

from __future__ import annotations

from tidemill.graph.component import Component, Config
from tidemill.graph.node import SUCCESS, Batch
from tidemill.rules.loops import BREAK, BREAKS


class BreakConfig(Config):
    """Nothing to configure."""


class Break:
    async def process(self, batch: Batch) -> None:
        for index, item in enumerate(batch.items):
            message = item.message
            batch.tell(index, SUCCESS, message.told(metadata={**message.metadata, BREAK: BREAKS}))


COMPONENT = Component(
    "break",
    "flow",
    "Ends the `for` or `while` loop that the message is in, after what still follows of this round.",
    BreakConfig,
    lambda config, site: Break(),
    relations=(SUCCESS,),
    examples=({},),
    notes=f"Sets the metadata `{BREAK}` to `{BREAKS}`; a script that does the same ends the loop, too.",
)
