"""jsTransform: a script makes the message anew."""

from __future__ import annotations

from pydantic import Field

from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import SUCCESS
from tidemill.rules.nodes.script_component import script_component
from tidemill.rules.scripts.scripts import StageKind, Telling
from tidemill.sandbox.script import Staged


class JsTransformConfig(Config):
    js_script: str = Field(
        "return {'msg':msg,'metadata':metadata,'msgType':msgType,'dataType':dataType};",
        alias="jsScript",
        description="The body of the function. It returns an object with what is to be new.",
    )


class _Transform:
    kind: StageKind = "map"
    passes = SUCCESS

    def tell(self, telling: Telling, answer: Staged, message: Message) -> None:
        if answer.value is not None:
            telling.fail("the script must return an object, not a list", message)
        else:
            telling.tell(SUCCESS, message)


COMPONENT: Component = script_component(
    "jsTransform",
    "transform",
    "A script makes the message, its metadata and its type anew.",
    JsTransformConfig,
    _Transform(),
    relations=(SUCCESS, "Failure"),
    examples=({"jsScript": "metadata.seen = '1'; return {msg: msg, metadata: metadata};"},),
    notes="It returns `{msg, metadata, msgType, dataType}`; what is left out stays. `metadata` replaces all there was.",
)
