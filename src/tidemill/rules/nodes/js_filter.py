"""jsFilter: a script says whether a message goes by `True` or by `False`."""

from __future__ import annotations

from pydantic import Field

from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import FALSE, TRUE
from tidemill.rules.nodes.script_component import script_component
from tidemill.rules.scripts.scripts import StageKind, Telling
from tidemill.sandbox.script import Staged


class JsFilterConfig(Config):
    js_script: str = Field("return msg.temperature > 50;", alias="jsScript", description="The body of the function.")


class _Filter:
    """Only `true` itself is true, as RuleGo has it."""

    kind: StageKind = "gate"
    passes = TRUE

    def tell(self, telling: Telling, answer: Staged, message: Message) -> None:
        telling.tell(TRUE if answer.value is not None and bytes(answer.value) == b"true" else FALSE, message)


COMPONENT: Component = script_component(
    "jsFilter",
    "filter",
    "A script says by which of True and False a message goes on. It cannot change the message.",
    JsFilterConfig,
    _Filter(),
    relations=(TRUE, FALSE, "Failure"),
    examples=({"jsScript": "return msg.temperature > 50;"},),
)
