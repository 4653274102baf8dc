"""log: a script makes a line of a message; the message goes on as it is."""

from __future__ import annotations

import msgspec
from pydantic import Field

from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import SUCCESS
from tidemill.rules.nodes.script_component import script_component
from tidemill.rules.scripts.scripts import StageKind, Telling
from tidemill.sandbox.script import Staged


class LogConfig(Config):
    js_script: str = Field(
        "return 'Incoming message:\\n' + JSON.stringify(msg) + '\\nIncoming metadata:\\n' + JSON.stringify(metadata);",
        alias="jsScript",
        description="The body of the function. It returns the line.",
    )


class LogLine:
    """What is logged must be a text."""

    kind: StageKind = "value"
    passes = SUCCESS

    def tell(self, telling: Telling, answer: Staged, message: Message) -> None:
        line = msgspec.json.decode(answer.value or b"null")
        if not isinstance(line, str):
            telling.fail("the script must return a text", message)
            return
        telling.log(line)
        telling.tell(SUCCESS, message)


COMPONENT: Component = script_component(
    "log",
    "action",
    "A script makes a line of the message. It is kept where the node's debug messages are.",
    LogConfig,
    LogLine(),
    relations=(SUCCESS, "Failure"),
    examples=({"jsScript": "return 'temperature ' + msg.temperature;"},),
)
