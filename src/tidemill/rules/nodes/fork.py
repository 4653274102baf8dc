"""fork: the message goes on by all edges, to branches that know nothing of each other."""

from __future__ import annotations

from tidemill.graph.component import Component, Config
from tidemill.graph.node import SUCCESS, Batch


class ForkConfig(Config):
    """Nothing to configure."""


class Fork:
    async def process(self, batch: Batch) -> None:
        batch.tell_all(SUCCESS)


COMPONENT = Component(
    "fork",
    "flow",
    "Sends the message along all of its edges at once. A join brings the branches together again.",
    ForkConfig,
    lambda config, site: Fork(),
    relations=(SUCCESS,),
    is_pure=True,
    examples=({},),
)
