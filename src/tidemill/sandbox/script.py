"""User code and what comes of it: the interface of the sandbox. Nothing here runs anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tidemill.core.findings import Finding
from tidemill.sandbox.protocol import Form

if TYPE_CHECKING:
    MaybeRaw = Raw | None
else:
    # msgspec knows no union with Raw; where nothing is sent, None is what is left.
    MaybeRaw = Raw
_to_json = msgspec.json.Encoder().encode


class Script(msgspec.Struct, frozen=True):
    """A piece of user code. `form` says how the text is to be read:

    expression  JavaScript whose value is that of its last statement, as Conductor's conditions and INLINE
                scripts are written: `$.a > 1`, `(function(){ return $.a; })()`, or several statements
    query       jq
    stages      JavaScript functions that run one after another on each message: the JSON of `Stages`
    """

    engine: Literal["javascript", "jq"]
    source: str
    form: Form


class Stage(msgspec.Struct, frozen=True):
    """`code` is the body of a function of `(msg, metadata, msgType, dataType)`. What it returns means by `kind`:

    gate   only `true` lets the message on; it changes nothing
    map    the message's new parts, an object `{msg, metadata, msgType, dataType}`, each optional; `metadata` replaces
           the old, and its values become texts. An array is handed out as the value and ends it
    value  any JSON, which ends it; it changes nothing

    What follows a map sees what it returned as JSON keeps it, and as its dataType reads it: where that is JSON, a text
    is parsed, if it parses; where it is TEXT, what is none becomes its JSON; where it is BINARY, a list of bytes.
    """

    code: str
    kind: Literal["gate", "map", "value"]


class Stages(msgspec.Struct, frozen=True):
    """Functions that share one call of the sandbox, and mostly one parse of each message. `globals` are constants
    that all of them see, by names that JavaScript does not need itself."""

    stages: Sequence[Stage]
    globals: Mapping[str, Any] = {}

    def script(self) -> Script:
        # Half a surrogate pair is no text for anybody.
        stages = [Stage(stage.code.encode("utf-8", "replace").decode(), stage.kind) for stage in self.stages]
        return Script("javascript", _to_json(Stages(stages, self.globals)).decode(), "stages")


class ScriptError(msgspec.Struct, frozen=True):
    """Why a script gave no value. `line` and `column` count from 1 in the user's text.
    `kind`: compile, throw, timeout, memory, type (a value that is no JSON)."""

    kind: Literal["compile", "throw", "timeout", "memory", "type"]
    message: str
    line: int | None = None
    column: int | None = None

    @property
    def is_passing(self) -> bool:
        """A busy machine can cause it; any other would come again, so that trying again is of no use."""
        return self.kind in ("timeout", "memory")

    def __str__(self) -> str:
        return f"{self.message} (line {self.line}, column {self.column})" if self.line else self.message


class Computed(msgspec.Struct, frozen=True):
    """The value for one input, or the error; `logs` is what the script gave to `console.log`.
    `value` of a jq query is the list of all its results."""

    value: Any = None
    error: ScriptError | None = None
    logs: Sequence[str] = ()


class Changed(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """What the maps have changed altogether. `msg` is JSON."""

    msg: Raw | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    msg_type: str | UnsetType = UNSET
    data_type: str | UnsetType = UNSET


class Staged(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How far one message came. `stage` is the index of the stage that it ended at, whose result or error is meant;
    `value` is the JSON that a gate, a value, or a map with an array returned there, and None after a map.
    `changed` is None when no map was passed; also beside an error it has what the maps before it changed.
    `logs` has pairs of a stage and a line.

    `Raw` is a view into the answer to the whole call: who keeps one for long makes bytes of it."""

    stage: int
    changed: Changed | None = None
    error: ScriptError | None = None
    logs: Sequence[tuple[int, str]] = ()
    value: MaybeRaw = None


def too_long(limit_s: float) -> str:
    return f"took longer than {limit_s:g} s"


class Sandbox(Protocol):
    async def check(self, script: Script) -> Sequence[Finding]:
        """Compiles; the findings have line and column and an empty path, or `stages[i]`. Empty when all is well."""
        ...

    async def run(self, script: Script, inputs: Sequence[bytes]) -> Sequence[Computed]:
        """One answer per input, in order, in one call of the child where it can be.

        An input is the JSON text of an object whose keys are what the script sees: `{"$": ...}`; jq takes
        the value of `$` as its input. A crash, hang or memory bomb is the error of the guilty input alone.
        Raises `Unavailable` if no child can be started."""
        ...

    async def run_stages(
        self, script: Script, inputs: Sequence[bytes], limit_s: float | None = None
    ) -> Sequence[Staged]:
        """Like `run`, for scripts made by `Stages`. An input is the JSON text of `[msg, metadata, msgType, dataType]`,
        where `metadata` has texts. `limit_s`, where it is shorter than the sandbox's, is the time of each message."""
        ...
