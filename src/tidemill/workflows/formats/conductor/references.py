"""Where the tasks of a document stand to each other: what one can read of another. Only looks; writes findings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tidemill.core.codec import to_json
from tidemill.core.findings import Finding, near
from tidemill.expressions.template import Template
from tidemill.workflows.formats.conductor.keys import FORK_TYPES

ROOTS = frozenset({"workflow", "CPEWF_TASK_ID", "$"})
SUGGESTIONS_MAX = 20
"""How many unknown names are compared with all known ones: a suggestion costs a look at each."""
_ENVIRONMENT = re.compile(rb"\$\{workflow\.env\b")


class Place(msgspec.Struct, frozen=True):
    """The task `ref` is the `index`-th of the list number `sequence`, inside the task at `above`."""

    ref: str
    type: str
    sequence: int
    index: int
    above: Place | None = None

    @property
    def way(self) -> Sequence[Place]:
        """From the outermost task to this one."""
        way, place = [], self
        while True:
            way.append(place)
            if place.above is None:
                return way[::-1]
            place = place.above


class Reading(msgspec.Struct, frozen=True):
    """A template at `path`, read where `place` is; None is the end of the workflow."""

    path: str
    template: Template
    place: Place | None


def absence(reader: Place, read: Place) -> str | None:
    """Why the task at `read` cannot have ended when the one at `reader` begins; None if it can have. A task may read
    itself: a later attempt sees the one before."""
    is_in_loop = False
    above: Place | None = None
    ours, theirs = reader.way, read.way
    for our, their in zip(ours, theirs, strict=False):
        if our.sequence != their.sequence:
            if is_in_loop:
                return None
            beside = above is not None and above.type in FORK_TYPES
            return "runs in another branch beside this one" if beside else "is in another case than this one"
        if our.index != their.index:
            return "comes later" if our.index < their.index and not is_in_loop else None
        is_in_loop = is_in_loop or our.type == "DO_WHILE"
        above = our
    return "is inside this one" if len(theirs) > len(ours) and not is_in_loop else None


def references(value: Any) -> Iterator[str]:
    """Every reference name in a list of tasks, also inside types that are not built; not those of definitions inside
    it, which have names of their own."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            ref = item.get("taskReferenceName")
            if isinstance(ref, str):
                yield ref
            pending.extend(child for key, child in item.items() if key not in ("subWorkflowParam", "inputParameters"))
        elif isinstance(item, list):
            pending.extend(item)


def reference_findings(
    readings: Sequence[Reading], places: Mapping[str, Place], known: frozenset[str]
) -> Iterator[Finding]:
    unknown = 0
    for reading in readings:
        yield from _store_findings(reading)
        for root in sorted(reading.template.roots - ROOTS):
            if root not in known:
                unknown += 1
                hint = near(root, known) if unknown <= SUGGESTIONS_MAX else ""
                message = f"${{{root}...}}: no task has this reference name, so it is null{hint}"
                yield Finding(reading.path, message, "unknown_reference", "warning")
            elif reading.place is not None and root in places and (reason := absence(reading.place, places[root])):
                message = f"${{{root}...}}: task {root!r} {reason}, so it is null or not there yet"
                yield Finding(reading.path, message, "unknown_reference", "warning")


def _store_findings(reading: Reading) -> Iterator[Finding]:
    if "workflow" in reading.template.roots and _ENVIRONMENT.search(to_json(reading.template.source)):
        yield Finding(reading.path, "not yet supported: ${workflow.env...}", "not_supported")
