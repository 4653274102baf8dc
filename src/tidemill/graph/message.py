"""What flows through a graph. Values only: a branch that changes a message makes a new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

DataType = Literal["JSON", "TEXT", "BINARY"]

_from_json = msgspec.json.Decoder().decode


class Message(msgspec.Struct, frozen=True, gc=False):
    """`data` is UTF-8 for JSON and TEXT, whatever it came in for BINARY; JSON that does not parse is a text.
    `metadata` is text to text and is never changed in place. `ts_ms` counts from 1970."""

    id: str
    ts_ms: int
    type: str
    data: bytes
    metadata: Mapping[str, str] = {}
    data_type: DataType = "JSON"
    originator: str = ""

    def told(
        self,
        *,
        data: bytes | None = None,
        metadata: Mapping[str, str] | None = None,
        type: str | None = None,  # noqa: A002
        data_type: DataType | None = None,
    ) -> Message:
        """The same message with something else in it."""
        return Message(
            self.id,
            self.ts_ms,
            self.type if type is None else type,
            self.data if data is None else data,
            self.metadata if metadata is None else metadata,
            self.data_type if data_type is None else data_type,
            self.originator,
        )

    @property
    def text(self) -> str:
        """Bytes that are no UTF-8 show as U+FFFD."""
        return self.data.decode("utf-8", "replace")

    def value(self) -> Any:
        """What expressions and scripts see: the JSON value where there is one, else the text; bytes for BINARY."""
        if self.data_type == "JSON":
            try:
                return _from_json(self.data)
            except (msgspec.DecodeError, RecursionError):
                return self.text
        return self.data if self.data_type == "BINARY" else self.text


def failed(message: Message, reason: str) -> Message:
    """What goes out by `Failure`: RuleGo's key for the reason."""
    return message.told(metadata={**message.metadata, "errorMsg": reason})
