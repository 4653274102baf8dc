"""TbLogNode: a script makes a line of a message; the message goes on as it is."""

from __future__ import annotations

from tidemill.graph.component import Component
from tidemill.graph.node import SUCCESS
from tidemill.rules.nodes.log import LogLine
from tidemill.rules.nodes.tb_script import tb_script_component

COMPONENT: Component = tb_script_component(
    "action.TbLogNode",
    "action",
    "A script makes a line of the message. It is kept where the node's debug messages are.",
    LogLine(),
    relations=(SUCCESS, "Failure"),
    examples=({"scriptLang": "JS", "jsScript": "return 'temperature ' + msg.temperature;"},),
)
