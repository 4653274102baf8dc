"""What a child is asked, and what comes back. Values; nothing here speaks to a child."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Literal, TypeVar

import msgspec

from tidemill.sandbox.protocol import Form, Reply, Request
from tidemill.sandbox.script import Computed, ScriptError, Staged

Answer = TypeVar("Answer", Computed, Staged)


class Answers(msgspec.Struct, Generic[Answer], frozen=True):
    """What comes back for an input, and how an error is told that came from the child's end, at a stage."""

    decoder: msgspec.json.Decoder[list[Answer]]
    failed: Callable[[int, ScriptError], Answer]
    is_staged: bool = False


COMPUTED = Answers(msgspec.json.Decoder(list[Computed]), lambda _, error: Computed(error=error))
STAGED = Answers(msgspec.json.Decoder(list[Staged]), lambda stage, error: Staged(stage, error=error), is_staged=True)


class Call(msgspec.Struct, Generic[Answer]):
    """A script on its way to a child, and what came back. `end` is None while it runs; `how` is the name of the
    signal, or another word, for a child that died; `stage` is where the first input without an answer was, as far as
    a careful child has told. An answer that cannot be read (nested deeper than anybody reads, say) is `garbled`."""

    key: bytes
    source: str
    form: Form
    inputs: Sequence[bytes]
    limit_s: float
    answers: Answers[Answer]
    what: Literal["check", "run"] = "run"
    is_careful: bool = False
    computed: list[Answer] = []
    stage: int = 0
    end: Literal["answered", "died", "hung", "garbled"] | None = None
    how: str = ""

    def request(self, *, with_source: bool) -> Request:
        source = self.source if with_source else None
        return Request(self.what, self.key, source, list(self.inputs), self.limit_s, self.is_careful, self.form)

    def read(self, replies: Sequence[Reply]) -> None:
        try:
            for reply in replies:
                self.computed.extend(self.answers.decoder.decode(reply.computed))
                self.stage = reply.stage
        except (msgspec.MsgspecError, RecursionError) as error:
            self.end, self.how = "garbled", str(error)
