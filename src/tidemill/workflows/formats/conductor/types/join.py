"""JOIN: the end of a fork."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.core.findings import near
from tidemill.sandbox.script import Script
from tidemill.workflows.formats.conductor.keys import FORK_TYPES
from tidemill.workflows.formats.conductor.references import references
from tidemill.workflows.formats.conductor.source import JAVASCRIPT, Draft, Source, TaskType
from tidemill.workflows.formats.conductor.types.fork_join import last_of_branches
from tidemill.workflows.tasks.join import JoinSettings
from tidemill.workflows.tasks.scripted_join import ScriptedJoinSettings


def _read(source: Source) -> Draft:
    fields = source.fields
    script = _read_script(source)
    refs = read_refs(source, "joinOn")
    kind = source.before.get("type") if source.before else None
    if kind == "FORK_JOIN_DYNAMIC":
        if script is not None:
            return Draft("scripted_join", source.without(), ScriptedJoinSettings(script, tuple(refs)))
        if refs:
            fields.warn("joinOn", "without effect after a dynamic fork: the join waits for all of its branches")
        return Draft("join", source.without(), JoinSettings())
    if kind in FORK_TYPES and source.before is not None:
        _check_branches(source, refs, source.before)
    else:
        fields.warn("", "does not follow a fork: it waits for those of joinOn that have begun")
    lasts = last_of_branches(source.before or {})
    if script is not None:
        return Draft("scripted_join", source.without(), ScriptedJoinSettings(script, tuple(refs or lasts)))
    if not refs:
        names = f"; the last tasks of the branches are {', '.join(lasts)}" if lasts else ""
        fields.add("joinOn", f"is missing: the tasks to wait for{names}", "missing")
    return Draft("join", source.without(), JoinSettings(tuple(refs)))


def _read_script(source: Source) -> Script | None:
    text = source.fields.text("expression")
    if not text:
        return None
    source.fields.choice("evaluatorType", JAVASCRIPT, JAVASCRIPT[0])
    return source.script(Script("javascript", text, "expression"), "expression")


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
        "expression": "a script that says when there is enough; it is asked when the join begins and each time one of "
        "the tasks ends. It sees `$.joinOn`, `$.<reference name>` (the output, `status`, `outputData`) and the input "
        "parameters, and gives `true`, or an object with a `status` (`COMPLETED`, `IN_PROGRESS`, `FAILED`...), "
        "`outputData` and `reasonForIncompletion`. Without `joinOn`: the last tasks of the branches; after "
        "FORK_JOIN_DYNAMIC all of its tasks",
        "evaluatorType": "`javascript`, `graaljs` or `js`: the language of `expression`",
        "joinMode": "`SYNC` or `ASYNC`: both are the same here, the join goes on at once",
    },
    output={
        "<reference name>": "the output of each task that was waited for",
        "*": "or what the script gave as `outputData`",
    },
    notes="Where an optional one of them has failed, the join is `COMPLETED_WITH_ERRORS`, and the workflow goes on.",
)
