"""jsSwitch: a script names the relations by which a message goes on."""

from __future__ import annotations

import msgspec
from pydantic import Field

from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import DEFAULT
from tidemill.rules.nodes.script_component import script_component
from tidemill.rules.scripts.scripts import StageKind, Telling
from tidemill.sandbox.script import Staged


class JsSwitchConfig(Config):
    js_script: str = Field("return ['one','two'];", alias="jsScript", description="The body of the function.")


class _Switch:
    kind: StageKind = "value"
    passes = ""

    def tell(self, telling: Telling, answer: Staged, message: Message) -> None:
        try:
            relations = msgspec.json.decode(answer.value or b"null", type=list[str])
        except msgspec.ValidationError:
            telling.fail("the script must return a list of relations", message)
            return
        leading = [relation for relation in dict.fromkeys(relations) if telling.leads(relation)]
        for relation in leading or (DEFAULT,):
            telling.tell(relation, message)


COMPONENT: Component = script_component(
    "jsSwitch",
    "filter",
    "A script names the relations by which a message goes on.",
    JsSwitchConfig,
    _Switch(),
    relations=None,
    examples=({"jsScript": "return msg.temperature > 50 ? ['hot'] : ['cold'];"},),
    notes="Where no edge leads on by any of them, the message goes by `Default`.",
)
