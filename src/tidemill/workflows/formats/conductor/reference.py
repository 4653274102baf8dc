"""The reference pages of Conductor's task types, made from the types themselves and their examples.

`python -m tidemill.workflows.formats.conductor.reference EXAMPLES PAGES` writes them (`make reference`); a test says
when they are stale. Nothing that runs imports this.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tidemill.core.codec import from_json
from tidemill.workflows.formats.conductor.definition import compile_workflow
from tidemill.workflows.formats.conductor.keys import TYPES_NOT_YET
from tidemill.workflows.formats.conductor.source import TaskType
from tidemill.workflows.formats.conductor.types import TYPES
from tidemill.workflows.tasks import KINDS

INDEX = "README.md"
_MADE = "<!-- Made by `make reference`. What it says is in the task type's own file. -->\n"
CACHED = ("SIMPLE", "HTTP", "INLINE", "LAMBDA", "JSON_JQ_TRANSFORM", "SUB_WORKFLOW")
COMMON_KEYS: Mapping[str, str] = {
    "name": "what it is called; of a worker's task, what the worker polls for; required",
    "taskReferenceName": "unique in the definition; what expressions and the API call it by; required",
    "type": "one of the above; default `SIMPLE`",
    "inputParameters": "an object with `${...}`: the task's input",
    "optional": "true: where it fails for good, the workflow goes on (`permissive` is the same)",
    "startDelay": "seconds before it begins",
    "retryCount": "how often it is tried again; goes before the task definition's",
    "cacheConfig": "`key` and `ttlInSecond`: for so many seconds its output is taken again by tasks of the same `name` "
    "and key, in any workflow, which do not run then. The key is text with `${...}` over the task's own input, such as "
    "`${uri}-${method}`. "
    f"Of {', '.join(CACHED)}; outputs up to 1 MiB",
    "taskDefinition": "a task definition of its own; goes before the registered one of this `name`",
    "onStateChange": "what is published when the task's status changes: an object with `onScheduled` (`SCHEDULED`),"
    " `onStart` (`IN_PROGRESS`), `onSuccess` (`COMPLETED`), `onFailed` (`FAILED`, `FAILED_WITH_TERMINAL_ERROR`,"
    " `TIMED_OUT`, `COMPLETED_WITH_ERRORS`), `onCancelled` (`CANCELED`), or several joined by `,`; each a list of"
    ' `{"type": "kafka:<integration>:<topic>", "payload": {...}}`. The record\'s key is the task\'s id; its body is the'
    " payload, with `${...}` as the execution is then, or without one the task's id, reference name, status, output and"
    " the execution's id. What ends as soon as it begins (`NOOP`, `SWITCH`) is never in progress; what is skipped tells"
    " nothing",
    "description": "for people, as `metadata`",
}


def pages(example: Callable[[str], str]) -> Mapping[str, str]:
    """File name → text. `example` gives the text of an example by its file name."""
    made = {f"{each.name.lower()}.md": "\n".join(_page(each, example(f"{each.name.lower()}.json"))) for each in TYPES}
    return {INDEX: "\n".join(_index()), **made}


def _page(each: TaskType, example: str) -> Iterator[str]:
    yield f"# {each.name}\n"
    yield _MADE
    yield f"{each.summary}\n"
    if each.aliases:
        yield f"Also written {', '.join(f'`{name}`' for name in each.aliases)}.\n"
    yield from _table("Keys of the task", each.keys)
    yield from _table("Input parameters", each.inputs)
    yield from _table("Output", each.output)
    if each.notes:
        yield f"{each.notes}\n"
    if each.takes_secrets:
        yield "Its input may name secrets, as `${workflow.secrets.NAME}`.\n"
    kind = KINDS[_kind_of(each, example)]
    yield f"Run by the task kind `{kind.name}`: {_begun_small(kind.summary)}"
    yield "Keys that all types have are in the [list of types](README.md).\n"
    path = f"examples/conductor/{each.name.lower()}.json"
    yield f"## Example\n\n[`{path}`](../../../{path})\n"
    yield f"```json\n{example.strip()}\n```\n"


def _kind_of(each: TaskType, example: str) -> str:
    steps = compile_workflow(from_json(example), {}, 0).plan.steps.values()
    return next(step.kind for step in steps if step.source.get("type") == each.name)


def _begun_small(text: str) -> str:
    return text[0].lower() + text[1:]


def _table(title: str, rows: Mapping[str, str]) -> Iterator[str]:
    if not rows:
        return
    yield f"## {title}\n"
    yield "| name | is |\n| --- | --- |"
    for name, text in rows.items():
        shown = "any other" if name == "*" else f"`{name}`"
        yield f"| {shown} | {text.replace('|', chr(92) + '|')} |"
    yield ""


def _index() -> Iterator[str]:
    yield "# Task types\n"
    yield _MADE
    yield "What tasks of Conductor's workflow definitions can be, and what each does here.\n"
    yield "| type | does |\n| --- | --- |"
    for each in TYPES:
        yield f"| [{each.name}]({each.name.lower()}.md) | {each.summary} |"
    yield ""
    yield from _table("Keys that all types have", COMMON_KEYS)
    yield "## Types that are not there\n"
    yield "A definition with one of these is kept and does not run; its finding names the task.\n"
    yield "| type | instead |\n| --- | --- |"
    for name, instead in sorted(TYPES_NOT_YET.items()):
        yield f"| {name} | {instead} |"
    yield ""


def write(examples: Path, folder: Path) -> None:
    """Pages of types that are gone go too."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages(lambda name: (examples / name).read_text())
    for path in folder.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
