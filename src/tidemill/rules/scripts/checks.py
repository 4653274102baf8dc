"""What the scripts of a chain are worth, when it is saved: compiled in the sandbox, many at once. Runs none of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tidemill.core.findings import Finding
from tidemill.sandbox.script import Sandbox, Script, Stage, Stages

CHECKED_MAX = 100
CHECKED_CHARACTERS_MAX = 200_000
"""Scripts that are compiled in one call, and their texts together."""

_STAGE = re.compile(r"stages\[(\d+)\]")
_encode = msgspec.json.Encoder().encode


async def script_findings(sandbox: Sandbox, scripts: Sequence[tuple[str, Script]]) -> Sequence[Finding]:
    """What is wrong with each, under the path that it comes with. The same text is compiled once, and many together:
    each call takes V8 a world of its own."""
    by_stage: dict[bytes, dict[Stage, list[str]]] = {}
    for path, script in scripts:
        stages = msgspec.json.decode(script.source, type=Stages)
        known = by_stage.setdefault(_encode(stages.globals), {})
        for stage in stages.stages:
            known.setdefault(stage, []).append(path)
    found: list[Finding] = []
    for globals_, stages_here in by_stage.items():
        for chunk in _chunks(list(stages_here)):
            found += await _chunk_findings(sandbox, msgspec.json.decode(globals_), chunk, stages_here)
    return found


def _chunks(stages: Sequence[Stage]) -> Iterator[Sequence[Stage]]:
    """A call may take a few seconds and no more: not too many, and not too long."""
    start = size = 0
    for at, stage in enumerate(stages):
        if at > start and (at - start >= CHECKED_MAX or size + len(stage.code) > CHECKED_CHARACTERS_MAX):
            yield stages[start:at]
            start, size = at, 0
        size += len(stage.code)
    if stages:
        yield stages[start:]


async def _chunk_findings(
    sandbox: Sandbox, globals_: Mapping[str, Any], stages: Sequence[Stage], paths: Mapping[Stage, Sequence[str]]
) -> Sequence[Finding]:
    found = await sandbox.check(Stages(stages, globals_).script())
    placed = [(_STAGE.fullmatch(each.path), each) for each in found]
    if len(stages) > 1 and not all(place for place, _ in placed):
        # The compiler gave up on all of them, and one may be the cause.
        return [each for stage in stages for each in await _chunk_findings(sandbox, globals_, [stage], paths)]
    return [
        Finding(path, each.message, each.kind, each.level, each.line, each.column)
        for place, each in placed
        for path in paths[stages[int(place[1]) if place else 0]]
    ]
