"""JSON Schemas: what the sandbox is asked about values and schemas, and what its answers mean. Runs nothing.

A schema is as hostile as a script (a pattern can take for ever), so it is judged where scripts run. One script judges
by all schemas, so that a batch of questions is one call; it keeps the schemas that it has read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tidemill.core.codec import to_json
from tidemill.core.findings import Finding
from tidemill.sandbox.script import Computed, Script

_HERE = Path(__file__).parent
_JUDGE = (_HERE / "schema_judge.js").read_text()
_DOCUMENT = (_HERE / "schema_document.js").read_text()

# What is not enumerable stays in the context from one message to the next.
JUDGE = Script(
    "javascript",
    "('jsonSchemas' in globalThis ? globalThis : Object.defineProperty(globalThis, 'jsonSchemas', "
    f"{{ value: ({_JUDGE})(({_DOCUMENT})()) }})).jsonSchemas[$.ask]($.schema, $.value)",
    "expression",
)


def question(schema: str, value: bytes) -> bytes:
    """Whether the value (JSON text) is as the schema (JSON text) says."""
    return b'{"$":{"ask":"check","schema":%b,"value":%b}}' % (to_json(schema), value)


def examination(schema: str) -> bytes:
    """What is wrong with the schema itself."""
    return b'{"$":{"ask":"examine","schema":%b}}' % to_json(schema)


def findings_of(answer: Computed, path: str) -> Sequence[Finding]:
    """What the sandbox has found; `path` is where the value is, or the schema that was examined."""
    if answer.error is not None:
        return [Finding(path, f"cannot be judged by its schema: {answer.error.message}", answer.error.kind)]
    return [Finding(_joined(path, place), message) for place, message in answer.value]


def _joined(path: str, place: str) -> str:
    return f"{path}{place}" if not (path and place) or place.startswith("[") else f"{path}.{place}"
