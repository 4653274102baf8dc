"""What RuleGo's editor changes of a chain without sending all of it. Makes new documents; saves nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

Document = Mapping[str, Any]

_BASE = ("name", "debugMode", "root", "disabled", "configuration", "additionalInfo")


def with_about(document: Document, about: Mapping[str, Any]) -> dict[str, Any]:
    """What `about` says of the chain itself, in place of what was said before; the rest stays."""
    return {**document, "ruleChain": {**_about(document), **about}}


def with_base(document: Document, base: Mapping[str, Any]) -> dict[str, Any]:
    """The chain's basic information. A key that is not among it is left out of the chain, too, but for `disabled` and
    `configuration`: the editor's form has neither."""
    kept = {key: value for key, value in _about(document).items() if key not in _BASE or key in _BASE[3:5]}
    return {**document, "ruleChain": {**kept, **base}}


def with_configuration(document: Document, key: str, value: Any) -> dict[str, Any]:
    """`key` is `vars` or `secrets`, or whatever else the chain's configuration has."""
    configuration = _about(document).get("configuration")
    known = configuration if isinstance(configuration, dict) else {}
    return with_about(document, {"configuration": {**known, key: value}})


def with_debug(document: Document, is_on: bool, nodes: Collection[str] | None = None) -> dict[str, Any]:
    """Of `nodes`, or of the chain as a whole; what is not named is as it was, but all is off with the chain."""
    if nodes is None and is_on:
        return with_about(document, {"debugMode": True})
    metadata = document.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    listed = [
        {**node, "debugMode": is_on} if nodes is None or node.get("id", f"node{index}") in nodes else node
        for index, node in enumerate(known.get("nodes") or ())
    ]
    return with_about({**document, "metadata": {**known, "nodes": listed}}, {"debugMode": False})


def category_of(document: Document) -> str:
    info = _about(document).get("additionalInfo")
    return str(info.get("category", "")) if isinstance(info, dict) else ""


def _about(document: Document) -> Mapping[str, Any]:
    about = document.get("ruleChain")
    return about if isinstance(about, dict) else {}
