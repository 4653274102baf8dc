"""TbJsFilterNode: a script says whether a message goes by `True` or by `False`."""

from __future__ import annotations

from tidemill.graph.component import Component
from tidemill.graph.message import Message
from tidemill.graph.node import FALSE, TRUE
from tidemill.rules.nodes.tb_script import tb_script_component
from tidemill.rules.scripts.scripts import StageKind, Telling
from tidemill.sandbox.script import Staged


class _Filter:
    kind: StageKind = "gate"
    passes = TRUE

    def tell(self, telling: Telling, answer: Staged, message: Message) -> None:
        value = bytes(answer.value) if answer.value is not None else b"null"
        if value in (b"true", b"false"):
            telling.tell(TRUE if value == b"true" else FALSE, message)
        else:
            telling.fail("the script must return true or false", message)


COMPONENT: Component = tb_script_component(
    "filter.TbJsFilterNode",
    "filter",
    "A script says by which of True and False a message goes on. It cannot change the message.",
    _Filter(),
    relations=(TRUE, FALSE, "Failure"),
    examples=({"scriptLang": "JS", "jsScript": "return msg.temperature > 20;"},),
)
