"""The API's answer about an execution as a tree: tasks in order, with branches, iterations and children inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text
from rich.tree import Tree

Found = Mapping[str, Any]
_STYLES = {
    "COMPLETED": "green",
    "RUNNING": "blue",
    "SCHEDULED": "blue",
    "IN_PROGRESS": "blue",
    "PAUSED": "yellow",
    "COMPLETED_WITH_ERRORS": "yellow",
    "SKIPPED": "dim",
    "CANCELED": "dim",
}
_FAILED = "red"
_ENDED_BADLY = frozenset({"FAILED", "FAILED_WITH_TERMINAL_ERROR", "TIMED_OUT", "TERMINATED"})
_PLACE = ("integration", "topic", "partition", "offset")


def execution_tree(found: Found) -> Tree:
    return _with_tasks(Tree(_execution_line(found)), found)


def styled(status: str) -> Text:
    """Text of whatever users have written; a status in its colour."""
    return Text(status, _STYLES.get(status, _FAILED if status in _ENDED_BADLY else ""))


def _with_tasks(tree: Tree, found: Found) -> Tree:
    if found.get("tasksOmitted"):
        tree.add(f"({found['tasksOmitted']} earlier tasks)")
    nodes: dict[str, Tree] = {"": tree}
    tasks = {str(task["seq"]): task for task in found["tasks"]}
    for attempts in _attempts(found["tasks"]):
        last = attempts[-1]
        node = _place(tree, last["path"], nodes, tasks).add(_task_line(attempts))
        nodes |= {f"task {task['seq']}": node for task in attempts}
        for index, task in enumerate(attempts[:-1], 1):
            node.add(_line(f"attempt {index}", task, _times(task, "startTime")))
        if last.get("child"):
            execution = node.add(_execution_line(last["child"]))
            _with_tasks(execution, last["child"])
        elif last.get("childId"):
            node.add(f"execution {last['childId']}")
    return tree


def _attempts(tasks: Sequence[Found]) -> list[list[Found]]:
    """Each task with the attempts that it repeats, in the order of the first ones."""
    found: dict[str, list[Found]] = {}
    for task in tasks:
        attempts = found.get(str(task["retriedTaskId"]), [])
        attempts.append(task)
        found[task["taskId"]] = attempts
    return list({id(attempts): attempts for attempts in found.values()}.values())


def _place(tree: Tree, path: str, nodes: dict[str, Tree], tasks: Mapping[str, Found]) -> Tree:
    """The node of a path: inside the task that it hangs on, which came before."""
    if path not in nodes:
        outer, _, part = path.rpartition("/")
        seq, _, number = part.partition(".")
        container = nodes.get(f"task {seq}") or _place(tree, outer, nodes, tasks)
        is_loop = tasks.get(seq, {}).get("type") == "DO_WHILE"
        nodes[path] = container.add(Text(f"{'iteration' if is_loop else 'branch'} {number}", "dim"))
    return nodes[path]


def _execution_line(found: Found) -> Text:
    name = f"{found['workflowType']} {found['version']}"
    return _line(f"execution {found['workflowId']} of {name}", found, _times(found, "startTime"))


def _task_line(attempts: Sequence[Found]) -> Text:
    task = attempts[-1]
    notes = [_times(task, "startTime")]
    if len(attempts) > 1:
        notes.append(f"attempt {len(attempts)}")
    if task.get("worker"):
        notes.append(f"worker {task['worker']}")
    where = task.get("publication")
    if where:
        notes.append(
            "→ record " + " ".join(str(where[name]) for name in ("integration", "topic", "partition", "offset"))
        )
    return _line(task["ref"] + (f" ({task['type']})" if task["type"] else ""), task, ", ".join(filter(None, notes)))


def _line(name: str, found: Found, notes: str) -> Text:
    line = Text.assemble(f"{name}: ", styled(found["status"]), f"  {notes}" if notes else "")
    return line.append(f": {found['reason']}") if found["reason"] else line


def _times(found: Found, start: str) -> str:
    """How long it took; nothing of what has not ended."""
    return duration(found["endTime"] - found[start]) if found["endTime"] and found[start] else ""


def duration(span_ms: int) -> str:
    """In the two largest units."""
    if span_ms < 1_000:
        return f"{max(span_ms, 0)} ms"
    if span_ms < 60_000:
        return f"{span_ms / 1000:.1f} s"
    span_s = span_ms // 1000
    for name, size, lesser, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60)):
        if span_s >= size:
            return f"{span_s // size} {name} {span_s % size // part} {lesser}"
    return f"{span_s // 60} min {span_s % 60} s"
