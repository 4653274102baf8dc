"""comment: a note in the graph. A message that reaches it goes on."""

from __future__ import annotations

from pydantic import ConfigDict

from tidemill.graph.component import Component, Config
from tidemill.graph.node import SUCCESS
from tidemill.rules.nodes.fork import Fork


class CommentConfig(Config):
    """Whatever the editor keeps with a note."""

    model_config = ConfigDict(extra="ignore")


COMPONENT = Component(
    "comment",
    "flow",
    "A note in the graph. A message that reaches it goes on as it is.",
    CommentConfig,
    lambda config, site: Fork(),
    relations=(SUCCESS,),
    is_pure=True,
    examples=({},),
)
