"""JOIN: the end of a fork."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.core.findings import near
from tidemill.workflows.formats.conductor.keys import FORK_TYPES
from tidemill.workflows.formats.conductor.references import references
from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType
from tidemill.workflows.formats.conductor.types.fork_join import last_of_branches
from tidemill.workflows.tasks.join import JoinSettings


def _read(source: Source) -> Draft:
    fields = source.fields
    has_script = bool(fields.text("expression"))
    if has_script:
        fields.add("expression", "not yet supported: a join by a script; name the tasks in joinOn", "not_supported")
    refs = read_refs(source, "joinOn")
    kind = source.before.get("type") if source.before else None
    if kind == "FORK_JOIN_DYNAMIC":
        if refs:
            fields.warn("joinOn", "without effect after a dynamic fork: the join waits for all of its branches")
        return Draft("join", source.without(), JoinSettings())
    if kind in FORK_TYPES and source.before is not None:
        _check_branches(source, refs, source.before)
    else:
        fields.warn("", "does not follow a fork: it waits for those of joinOn that have begun")
    if not refs and not has_script:
        lasts = last_of_branches(source.before or {})
        names = f"; the last tasks of the branches are {', '.join(lasts)}" if lasts else ""
        fields.add("joinOn", f"is missing: the tasks to wait for{names}", "missing")
    return Draft("join", source.without(), JoinSettings(tuple(refs)))


def read_refs(source: Source, key: str) -> Sequence[str]:
    """Reference names of tasks of this workflow."""
    refs = []
    for index, ref in enumerate(source.fields.items(key)):
        place = f"{key}[{index}]"
        if not isinstance(ref, str):
            source.fields.add(place, f"must be a reference name, not {ref!r}", "type")
        elif ref not in source.walk.names:
            hint = near(ref, source.walk.names)
            source.fields.add(place, f"no task has the reference name {ref!r}{hint}", "unknown_task")
        else:
            refs.append(ref)
    return list(dict.fromkeys(refs))


def _check_branches(source: Source, refs: Sequence[str], fork: Mapping[str, Any]) -> None:
    inside = set(references(fork.get("forkTasks")))
    for ref in refs:
        if ref in inside:
            continue
        reason = source.walk.absence(ref)
        name = fork.get("taskReferenceName")
        if reason:
            source.fields.add("joinOn", f"{ref!r} is in no branch of {name!r} and {reason}", "unknown_task")
        else:
            source.fields.warn("joinOn", f"{ref!r} is in no branch of {name!r}: it has ended before, and is left out")


JOIN = TaskType(
    "JOIN",
    "Waits until tasks of the branches of the fork before it have ended.",
    _read,
    keys={
        "joinOn": "the reference names of the tasks to wait for; required after FORK_JOIN. One in a case that was not "
        "taken is not waited for once its branch has ended. After FORK_JOIN_DYNAMIC: all branches",
        "joinMode": "`SYNC` or `ASYNC`: both are the same here, the join goes on at once",
    },
    output={"<reference name>": "the output of each task that was waited for"},
    notes="Where an optional one of them has failed, the join is `COMPLETED_WITH_ERRORS`, and the workflow goes on.",
)
