"""Where a secret of a configuration goes to. One that is kept, and that nobody has given again, goes nowhere else: or
whoever may change a chain could have it sent to himself.

Reads documents as their authors write them, or as they are stored; judges no secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tidemill.graph.secret import MASK, in_address, is_named

SEALED = re.compile(r"encrypted:(gAAAA[A-Za-z0-9_-]+={0,2})")
"""A secret as it is stored."""

_LEADING = re.compile(r"server|broker|host|ur[il]|dsn|address|endpoint|integration|proxy|driver|port$")
_URL = re.compile(r"\s*([a-z][a-z0-9+.-]*://)(.*)", re.DOTALL | re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{\s*(vars|secrets)\.([^{}\s]+)\s*\}")

Destination = tuple[str, tuple[tuple[str, str], ...]]


def destination_of(type_: str, config: Mapping[str, Any], document: Mapping[str, Any]) -> Destination:
    """Of a node or an endpoint of the document: its type, and all keys that lead somewhere, with the chain's variables
    that are in them."""
    about = _object(_object(document, "ruleChain"), "configuration")
    found = [
        (path, " ".join([_place(key, text), *_variables(text, about)]))
        for path, key, text in _texts(config)
        if _LEADING.search(key.lower()) and not is_named(key)
    ]
    return type_, tuple(sorted(found))


def uses_of_own(document: Mapping[str, Any], name: str) -> frozenset[tuple[str, str, Destination]]:
    """Where a chain puts in a secret that it has itself: place, text, and where that goes to."""
    found = set()
    for path, item in _items(document):
        type_, config = str(item.get("type")), _object(item, "configuration")
        for at, _, text in _texts(item):
            if ("secrets", name) in _VARIABLE.findall(text):
                found.add((f"{path}.{at}", SEALED.sub(MASK, text), destination_of(type_, config, document)))
    return frozenset(found)


def _items(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Nodes and endpoints by their ids, and what else the chain says."""
    rest = {key: value for key, value in document.items() if key != "metadata"}
    metadata = _object(document, "metadata")
    for key in ("nodes", "endpoints"):
        listed = metadata.get(key)
        for index, item in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(item, dict):
                yield f"{key}.{item.get('id', index)}", item
    yield "", {**rest, "metadata": {key: metadata[key] for key in metadata if key not in ("nodes", "endpoints")}}


def _place(key: str, text: str) -> str:
    """Without secrets, and of a URL only which server it means."""
    url = _URL.match(text)
    if url is not None:
        rest = url[2] if url[1].lower().startswith("http") else url[2].rpartition("@")[2]
        return url[1].lower() + re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    for begin, end in sorted(in_address(key, text), reverse=True):
        text = f"{text[:begin]}{MASK}{text[end:]}"
    return text


def _variables(text: str, about: Mapping[str, Any]) -> Iterator[str]:
    """Of the chain's own secrets only whether they stay what they were."""
    for kind, name in _VARIABLE.findall(text):
        value = str(_object(about, kind).get(name))
        yield value if kind == "vars" or value == "None" else str(value == MASK or SEALED.fullmatch(value) is not None)


def _texts(value: Any, path: str = "", key: str = "") -> Iterator[tuple[str, str, str]]:
    """Each text with its path and key; numbers, too."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, f"{path}.{name}", str(name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}.{index}", key)
    elif isinstance(value, str | int | float):
        yield path, key, str(value)


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}
