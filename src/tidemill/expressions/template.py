"""`${...}` in JSON values, as Conductor reads it: compiled once, rendered per record or task.

Sees only the root and the record that it is given: never the process environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidemill.core.codec import to_json
from tidemill.core.errors import BadInput
from tidemill.core.findings import Finding
from tidemill.expressions.path import WHOLE, BadPath, compile_path

Render = Callable[[Any, Any], Any]

NESTED_MAX = 20
"""How deep `${a.${b.${c}}}` may go: each level is several calls of Python's."""


class Template:
    """A JSON value with `${...}` in its texts.

    `roots` are the first names that it reads (`$`: any of them, or the whole); `is_constant` means that it
    reads nothing at all. A rendered value shares its constant parts with the template and its found parts with
    the root: whoever wants to change one copies it first. `kept` are the expressions that stay as they are written
    (`workflow.secrets.KEY`): whoever may know what they stand for puts it in later.
    """

    __slots__ = ("_render", "is_constant", "kept", "roots", "source")

    def __init__(
        self,
        source: Any,
        render: Render | None,
        roots: frozenset[str],
        constant: Any = None,
        kept: frozenset[str] = frozenset(),
    ) -> None:
        self.source = source
        self.roots = roots
        self.kept = kept
        self.is_constant = render is None
        self._render = render or (lambda _root, _record: constant)

    def render(self, root: Any, record: Mapping[str, Any] | None = None) -> Any:
        """The value. `root` is any JSON value, as a rule a mapping. Never raises; what is not there is null."""
        return self._render(root, record)

    def __repr__(self) -> str:
        return f"Template({self.source!r})"


@dataclass(slots=True)
class _Compilation:
    """What comes together on the walk through one document. Expressions that begin with `keep` are not read."""

    keep: str = ""
    findings: list[Finding] = field(default_factory=list)
    roots: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Expression:
    """The inside of one `${...}`: texts and further expressions. `unclosed` is all of it where its brace is
    missing."""

    parts: list[str | _Expression]
    unclosed: str = ""


def compile_template(value: Any, path: str = "") -> Template:
    """Compiles a JSON value. Raises `BadInput` with every mistake, each with its place under `path`."""
    template, findings = examine_template(value, path)
    if findings:
        raise BadInput(findings)
    return template


def examine_template(value: Any, path: str = "", keep: str = "") -> tuple[Template, list[Finding]]:
    """The template and every mistake in it. What is mistaken reads null; the rest can still be looked at.
    Expressions that begin with `keep` render to themselves."""
    compilation = _Compilation(keep)
    compiled = _compile(value, path, compilation)
    kept = frozenset(compilation.kept)
    if callable(compiled):
        return Template(value, compiled, frozenset(compilation.roots), kept=kept), compilation.findings
    return Template(value, None, frozenset(), compiled, kept), compilation.findings


def _compile(value: Any, path: str, compilation: _Compilation) -> Any:
    """A `Render`, or the constant value itself; JSON values are never callable."""
    if isinstance(value, str):
        return _compile_text(value, path, compilation) if "${" in value else value
    if isinstance(value, Mapping):
        return _compile_map(value, path, compilation)
    if isinstance(value, list | tuple):
        return _compile_list(value, path, compilation)
    return value


def _compile_map(value: Mapping[str, Any], path: str, compilation: _Compilation) -> Any:
    compiled = {key: _compile(item, _under(path, str(key)), compilation) for key, item in value.items()}
    varying = tuple((key, item) for key, item in compiled.items() if callable(item))
    if not varying:
        return compiled

    def render(root: Any, record: Any) -> Any:
        rendered = compiled.copy()
        for key, item in varying:
            rendered[key] = item(root, record)
        return rendered

    return render


def _compile_list(value: list[Any] | tuple[Any, ...], path: str, compilation: _Compilation) -> Any:
    compiled = [_compile(item, f"{path}[{index}]", compilation) for index, item in enumerate(value)]
    varying = tuple((index, item) for index, item in enumerate(compiled) if callable(item))
    if not varying:
        return compiled

    def render(root: Any, record: Any) -> Any:
        rendered = compiled.copy()
        for index, item in varying:
            rendered[index] = item(root, record)
        return rendered

    return render


def _under(path: str, key: str) -> str:
    if not key or any(character in key for character in ".[]'"):
        return f"{path}[{to_json(key).decode()}]"
    return f"{path}.{key}" if path else key


def _compile_text(text: str, path: str, compilation: _Compilation) -> Any:
    try:
        parts = _parse(text)
    except BadPath as error:
        compilation.findings.append(Finding(path, str(error), kind="expression"))
        return _null
    if not any(isinstance(part, _Expression) for part in parts):
        return "".join(part for part in parts if isinstance(part, str))
    if len(parts) == 1 and isinstance(parts[0], _Expression):
        return _compile_expression(parts[0], path, compilation)
    return _splice(parts, path, compilation)


def _splice(parts: list[str | _Expression], path: str, compilation: _Compilation) -> Render:
    pieces = [part if isinstance(part, str) else _compile_expression(part, path, compilation) for part in parts]

    def render(root: Any, record: Any) -> str:
        return "".join([piece if isinstance(piece, str) else as_text(piece(root, record)) for piece in pieces])

    return render


def _compile_expression(expression: _Expression, place: str, compilation: _Compilation) -> Render | str:
    """`place` is for the finding, where it is a mistake: then it reads null. Text where it is kept as it is."""
    try:
        if expression.unclosed:
            raise BadPath(f"`${{` without its `}}` in {expression.unclosed!r}; a literal `${{` is written `$${{`")
        texts = [part for part in expression.parts if isinstance(part, str)]
        text = "".join(texts).strip()
        if compilation.keep and text.startswith(compilation.keep):
            return _keep(expression, text, compilation)
        if len(texts) < len(expression.parts):
            return _computed_path(expression.parts, place, compilation)
        return _read_path(text, compilation)
    except BadPath as error:
        compilation.findings.append(Finding(place, str(error), kind="expression"))
        return _null


def _keep(expression: _Expression, text: str, compilation: _Compilation) -> str:
    if len(expression.parts) > 1:
        raise BadPath(f"what follows `{compilation.keep}` has to be written out, it cannot be computed")
    compilation.kept.add(text)
    return f"${{{text}}}"


def _null(_root: Any, _record: Any) -> None:
    """What is mistaken: no constant, so that nobody takes the null for what was written."""


def _read_path(text: str, compilation: _Compilation) -> Render:
    if not text:
        return lambda _root, _record: ""
    path = compile_path(text)
    read = path.read
    if path.of_record:
        return lambda _root, record: read(record)
    compilation.roots |= path.roots
    return lambda root, _record: read(root)


def _computed_path(parts: list[str | _Expression], place: str, compilation: _Compilation) -> Render:
    """`${a.${b}}`: the path is known only when it is rendered; one that is none then reads null."""
    compilation.roots.add(WHOLE)
    inner = _Compilation(compilation.keep, compilation.findings, compilation.roots)
    text = _splice(parts, place, inner)
    if inner.kept:
        raise BadPath(f"`{compilation.keep}` cannot be a part of another expression")

    def render(root: Any, record: Any) -> Any:
        try:
            path = compile_path(text(root, record).strip())
        except BadPath:
            return None
        return path.read(record if path.of_record else root)

    return render


def as_text(value: Any) -> str:
    """A value inside a text: null is `null`, objects and lists are JSON, booleans `true` and `false`."""
    return value if isinstance(value, str) else to_json(value).decode()


def _parse(text: str) -> list[str | _Expression]:
    """Raises `BadPath` where expressions are nested too deep."""
    parts, _, _ = _parse_until(text, 0, 0)
    return parts


def _parse_until(text: str, position: int, depth: int) -> tuple[list[str | _Expression], int, bool]:
    """The parts up to the end, or up to the brace that closes the expression they are in; where it goes on, and
    whether there was such a brace."""
    if depth > NESTED_MAX:
        raise BadPath(f"expressions nested deeper than {NESTED_MAX} levels")
    parts: list[str | _Expression] = []
    start = position
    scope = _Scope()
    while position < len(text):
        if text.startswith("$${", position):
            _append(parts, text[start:position] + "${")
            position = start = position + 3
        elif text.startswith("${", position):
            _append(parts, text[start:position])
            begin = position
            inner, position, is_closed = _parse_until(text, position + 2, depth + 1)
            parts.append(_Expression(inner, "" if is_closed else text[begin:]))
            start = position
        elif depth and scope.closes(text[position]):
            _append(parts, text[start:position])
            return parts, position + 1, True
        else:
            position += 1
    _append(parts, text[start:])
    return parts, position, False


def _append(parts: list[str | _Expression], text: str) -> None:
    if not text:
        return
    if parts and isinstance(parts[-1], str):
        parts[-1] += text
    else:
        parts.append(text)


@dataclass(slots=True)
class _Scope:
    """Where we are inside an expression: a brace in a quoted name or in a pair of its own does not close it."""

    brackets: int = 0
    braces: int = 0
    quote: str = ""

    def closes(self, character: str) -> bool:
        if self.quote:
            self.quote = "" if character == self.quote else self.quote
        elif character in "'\"" and self.brackets:
            self.quote = character
        elif character == "[":
            self.brackets += 1
        elif character == "]":
            self.brackets -= 1
        elif character == "{":
            self.braces += 1
        elif character == "}":
            self.braces -= 1
            return self.braces < 0
        return False
