"""One task of a document as its type's reader sees it, and what the reader makes of it. Knows no single task type.

A task type is a component: what it reads, what it says about itself in the reference, all in its one file in `types/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from tidemill.core.errors import BadInput
from tidemill.expressions.document import Fields
from tidemill.expressions.template import Template, compile_template
from tidemill.sandbox.script import Script
from tidemill.workflows.tasks.kind import NoSettings
from tidemill.workflows.tasks.script import ScriptSettings

JAVASCRIPT = ("javascript", "graaljs", "js")


class Walk(Protocol):
    """The walk through the document that this task is a part of."""

    names: frozenset[str]
    """What templates can read: the reference names of all tasks, and `workflow`."""

    def sequence(self, tasks: Sequence[Fields], after: str | None) -> str | None:
        """The tasks of one list inside this task, one after the other, then `after`. Returns where it begins."""
        ...

    def path(self, tasks: Sequence[Fields], *, is_loop: bool) -> str | None:
        """The same for a list that runs on a path of its own: a branch of this task, or the body of a loop."""
        ...

    def template(self, value: Any, path: str) -> Template: ...

    def script(self, script: Script, path: str) -> None:
        """One that is to be compiled when the document is saved."""
        ...

    def absence(self, ref: str) -> str | None:
        """Why the task `ref` cannot have ended when this one begins; None if it can have."""
        ...

    def start(self, name: str, version: Any, path: str) -> None:
        """This task starts that workflow; `path` is where it says so."""
        ...

    def inner(self, definition: Fields) -> None:
        """A definition inside this one, to be examined with it."""
        ...


class Source(msgspec.Struct):
    """`inputs` are the input parameters with the task definition's defaults, `given` those that are values already:
    the ones that a dynamic fork hands to its tasks. `following` is the task after this one; `before` and `behind` are
    its neighbours in its list."""

    fields: Fields
    inputs: dict[str, Any]
    following: str | None
    walk: Walk
    given: Mapping[str, Any] = {}
    before: Mapping[str, Any] | None = None
    behind: Mapping[str, Any] | None = None

    def template(self, value: Any, key: str) -> Template:
        return self.walk.template(value, self.fields.at(key))

    def raw(self, key: str) -> Any:
        """One input parameter as it is written; None where it is absent."""
        return self.given[key] if key in self.given else self.inputs.get(key)

    def input(self, key: str) -> Template | None:
        """One input parameter as a template of its own; None where it is absent."""
        value = self.raw(key)
        if value is None:
            return None
        return constant(value) if key in self.given else self.template(value, f"inputParameters.{key}")

    def moment(self, key: str, parse: Callable[[Any], int]) -> Template | None:
        """A duration or a date; one that is no expression is read now, so that a mistake shows when it is saved."""
        template = self.input(key)
        if template is not None and template.is_constant:
            try:
                parse(template.render(None))
            except ValueError as error:
                self.fields.add(f"inputParameters.{key}", str(error))
        return template

    def without(self, *keys: str, also: Mapping[str, Any] | None = None) -> Template:
        """All input parameters but these, with `also` in place of what has its names."""
        written = {key: item for key, item in self.inputs.items() if key not in keys and key not in self.given}
        template = self.template({**written, **(also or {})}, "inputParameters")
        given = {key: item for key, item in self.given.items() if key not in keys and key not in (also or {})}
        return _with_values(template, given) if given else template

    def text(self, key: str) -> str:
        """An input parameter that must be a text and be there."""
        inputs = {**self.inputs, **self.given}
        return Fields(inputs, self.fields.at("inputParameters"), self.fields.findings).name(key)

    def script_input(self, script: Script, name: str) -> ScriptSettings:
        """A script that is an input parameter: `${...}` of the workflow in it is put into its text, as everywhere in
        the input, and it can be compiled only then."""
        key = f"inputParameters.{name}"
        if name not in self.given and self._is_templated(script.source):
            return ScriptSettings(script, self.template(script.source, key))
        if script.source:
            self.walk.script(script, self.fields.at(key))
        return ScriptSettings(script)

    def script(self, script: Script, key: str) -> Script:
        """One that is no input parameter, and no template."""
        if script.source:
            self.walk.script(script, self.fields.at(key))
        if script.engine == "javascript" and self._is_templated(script.source):
            self.fields.add(
                key,
                "${...} of the workflow is not read here: make it an input parameter, and read that as $.name",
            )
        return script

    def _is_templated(self, text: str) -> bool:
        """JavaScript has `${...}` of its own, in its template literals: only our names count."""
        if "${" not in text:
            return False
        try:
            return not self.walk.names.isdisjoint(compile_template(text).roots)
        except BadInput:
            return False


def constant(value: Any) -> Template:
    """A template that is this very value, whatever `${` is in it."""
    return Template(value, None, frozenset(), value)


def _with_values(template: Template, values: Mapping[str, Any]) -> Template:
    if template.is_constant:
        return constant({**template.render(None), **values})

    def render(root: Any, record: Any) -> Any:
        return {**template.render(root, record), **values}

    return Template(template.source, render, template.roots)


class Draft(msgspec.Struct, frozen=True):
    """What a reader makes of a task. `edges` None: there is one way on, to the following task."""

    kind: str
    input: Template
    settings: Any = NoSettings()
    edges: Mapping[str, str | None] | None = None
    branches: Sequence[str] = ()
    body: str | None = None
    sinks: Sequence[tuple[str, tuple[str, str]]] = ()
    """(key, (integration, topic)): where it publishes to, as far as that is known beforehand."""
    clusters: Sequence[tuple[str, tuple[str, str]]] = ()
    """The same where it is (bootstrap servers or integration, topic)."""


class TaskType(msgspec.Struct, frozen=True):
    """`keys` are those of the task object, `inputs` those of its input parameters, `output` those of its output: each
    with a sentence for the reference. `aliases` are other names of the same type. `takes_secrets`: its input is handed
    over, and gets the secrets that it names only then (`workflows.secrets`); inputs of the others are only stored or
    published."""

    name: str
    summary: str
    read: Callable[[Source], Draft]
    keys: Mapping[str, str] = {}
    inputs: Mapping[str, str] = {}
    output: Mapping[str, str] = {}
    notes: str = ""
    aliases: Sequence[str] = ()
    takes_secrets: bool = False
