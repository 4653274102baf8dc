"""The reference page of the nodes of rule chains, made from their components and from the examples.

`python -m tidemill.rules.shown.reference EXAMPLES PAGE` writes it (`make reference`); a test says when it is stale.
Nothing that runs imports this.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tidemill.core.codec import from_json, to_json
from tidemill.graph.component import Component
from tidemill.graph.registry import Registry
from tidemill.rules.listed import LISTED
from tidemill.rules.shown.forms import fields_of

_MADE = "<!-- Made by `make reference`. What it says is in the nodes' own files. -->\n"
_GROUPS: Mapping[str, str] = {
    "filter": "Which way a message goes",
    "transform": "What a message becomes",
    "action": "What is done with it",
    "flow": "How messages branch, meet, wait and repeat",
    "common": "How messages branch, meet, wait and repeat",
    "external": "What is outside",
}


_JAVA_TITLE = "Nodes of ThingsBoard's rule chains"


def components() -> Sequence[Component]:
    """Those that come along, by group and type; one that goes by several types once."""
    registry = Registry(LISTED, group="none")
    found = {kind.name: kind for type_ in LISTED if (kind := registry.get(type_)) is not None}
    return sorted(found.values(), key=lambda kind: (list(_GROUPS).index(kind.group), kind.name.lower()))


def page(examples: Mapping[str, str]) -> str:
    """All of them on one page, so that one more touches one page. `examples` has the text of each example by its file
    name."""
    kinds = components()
    sections = ("\n".join(_section(kind, examples)) for kind in kinds)
    return "\n".join([*_index(kinds), *sections])


def anchor(component: Component) -> str:
    """As GitHub makes it of the heading."""
    return re.sub(r"[^\w-]", "", _short(component).lower())


def shown_in(component: Component, examples: Mapping[str, str]) -> list[str]:
    """The examples that have such a node."""
    names = {component.name, *component.aliases}
    return [name for name, text in sorted(examples.items()) if names & set(types_in(from_json(text)))]


def types_in(document: Any) -> Iterator[str]:
    for node in document["metadata"]["nodes"]:
        yield node["type"]


def _section(component: Component, examples: Mapping[str, str]) -> Iterator[str]:
    yield f"## {_short(component)}\n"
    yield f"{component.summary}\n"
    if component.name != _short(component):
        yield f"Its type is `{component.name}`.\n"
    if component.aliases:
        yield f"Also written {', '.join(f'`{name}`' for name in component.aliases)}.\n"
    yield f"Relations: {_relations(component)}.\n"
    fields = list(_rows(fields_of(component.config)))
    if fields:
        yield "| key | type | default | is |\n| --- | --- | --- | --- |"
        yield from fields
        yield ""
    if component.notes:
        yield f"{component.notes.strip()}\n"
    for example in component.examples:
        yield f"```json\n{to_json(example).decode()}\n```\n"
    shown = shown_in(component, examples)
    if shown:
        links = ", ".join(f"[`examples/rulego/{name}`](../../examples/rulego/{name})" for name in shown)
        yield f"In {links}.\n"


def _relations(component: Component) -> str:
    if component.relations is None:
        return "those that its configuration or the message names, and `Failure`"
    return ", ".join(f"`{name}`" for name in component.relations) or "none: a message ends here"


def _rows(fields: Sequence[Mapping[str, Any]], prefix: str = "") -> Iterator[str]:
    for field in fields:
        default = "required" if field["required"] else _default(field["defaultValue"])
        yield f"| `{prefix}{field['name']}` | {field['type']} | {default} | {_cell(field['desc'])} |"
        inside = "[]." if field["type"] == "array" else "."
        yield from _rows(field["fields"], f"{prefix}{field['name']}{inside}")


def _default(value: Any) -> str:
    if value in (None, "", [], {}):
        return ""
    text = value if isinstance(value, str) else to_json(value).decode()
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _index(kinds: Sequence[Component]) -> Iterator[str]:
    yield "# Nodes of rule chains\n"
    yield _MADE
    yield "What nodes there are, under the types that RuleGo's chains name them by. Those of ThingsBoard's chains are"
    yield "under their Java classes; they may stand beside the others. What goes by `Failure` has the reason in"
    yield "`metadata.errorMsg`. [Expressions](expressions-expr.md) says what `${...}` may be;"
    yield "[endpoints](endpoints.md) what brings messages in. What is different: from"
    yield "[RuleGo](rulego-differences.md), from [ThingsBoard](thingsboard.md)."
    yield "[How to write a node](../guides/write-a-node.md).\n"
    for title in [*dict.fromkeys(_GROUPS.values()), _JAVA_TITLE]:
        rows = [kind for kind in kinds if _title(kind) == title]
        if rows:
            yield f"## {title}\n"
            yield "| type | does |\n| --- | --- |"
            yield from (f"| [{_short(kind)}](#{anchor(kind)}) | {_cell(kind.summary)} |" for kind in rows)
            yield ""


def _short(kind: Component) -> str:
    return kind.name.rpartition(".")[2]


def _title(kind: Component) -> str:
    """Java's class names are those of ThingsBoard's nodes."""
    return _JAVA_TITLE if kind.name.startswith("org.") else _GROUPS[kind.group]


def texts_of(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.glob("*.json"))}


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(page(texts_of(Path(sys.argv[1]))))
