"""TbTransformMsgNode: a script makes the message anew, or several of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.graph.component import Component
from tidemill.graph.message import Message
from tidemill.graph.node import SUCCESS
from tidemill.rules.nodes.tb_script import tb_script_component
from tidemill.rules.scripts.scripts import StageKind, Telling, changed
from tidemill.sandbox.script import Changed, Staged

if TYPE_CHECKING:
    MaybeRaw = msgspec.Raw | None
else:
    # msgspec knows no union with Raw.
    MaybeRaw = msgspec.Raw


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    """One message of several. What it does not say stays as it was; an empty type is none."""

    msg: MaybeRaw = None
    metadata: dict[str, Any] | None = None
    msg_type: str | None = None

    def of(self, message: Message) -> Message:
        metadata = None
        if self.metadata is not None:
            metadata = {key: _text(each) for key, each in self.metadata.items() if each is not None}
        change = Changed(
            msgspec.UNSET if self.msg is None else self.msg,
            msgspec.UNSET if metadata is None else metadata,
            self.msg_type or msgspec.UNSET,
        )
        return changed(message, change)


_parts = msgspec.json.Decoder(list[_Part]).decode


class _Transform:
    kind: StageKind = "map"
    passes = SUCCESS

    def tell(self, telling: Telling, answer: Staged, message: Message) -> None:
        if answer.value is None:
            telling.tell(SUCCESS, message)
            return
        try:
            parts = _parts(answer.value)
        except msgspec.ValidationError:
            telling.fail("the script must return an object {msg, metadata, msgType}, or a list of them", message)
            return
        if not parts:
            telling.take()
        for part in parts:
            telling.tell(SUCCESS, part.of(message))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


COMPONENT: Component = tb_script_component(
    "transform.TbTransformMsgNode",
    "transform",
    "A script makes the message, its metadata and its type anew, or several messages of it.",
    _Transform(),
    relations=(SUCCESS, "Failure"),
    examples=(
        {"scriptLang": "JS", "jsScript": "metadata.seen = '1'; return {msg: msg, metadata: metadata};"},
        {"scriptLang": "JS", "jsScript": "return msg.readings.map(function (each) { return {msg: each}; });"},
    ),
    notes=(
        "It returns `{msg, metadata, msgType}`; what is left out stays, and `metadata` replaces all there was. Of a"
        " list, each is a message of its own; with an empty one the message ends here."
    ),
)
