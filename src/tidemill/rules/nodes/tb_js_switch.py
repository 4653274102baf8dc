"""TbJsSwitchNode: a script names the relations by which a message goes on."""

from __future__ import annotations

import msgspec

from tidemill.graph.component import Component
from tidemill.graph.message import Message
from tidemill.rules.nodes.tb_script import tb_script_component
from tidemill.rules.scripts.scripts import StageKind, Telling
from tidemill.sandbox.script import Staged

_relations = msgspec.json.Decoder(str | list[str]).decode


class _Switch:
    kind: StageKind = "value"
    passes = ""

    def tell(self, telling: Telling, answer: Staged, message: Message) -> None:
        try:
            named = _relations(answer.value or b"null")
        except msgspec.ValidationError:
            telling.fail("the script must return a relation, or a list of relations", message)
            return
        relations = [named] if isinstance(named, str) else named
        if not relations:
            telling.take()
        for relation in dict.fromkeys(relations):
            telling.tell(relation, message)


COMPONENT: Component = tb_script_component(
    "filter.TbJsSwitchNode",
    "filter",
    "A script names the relations by which a message goes on.",
    _Switch(),
    relations=None,
    examples=({"scriptLang": "JS", "jsScript": "return msg.temperature > 20 ? ['hot', 'all'] : ['all'];"},),
    notes="By relations to which no edge leads, and with an empty list, the message ends here.",
)
