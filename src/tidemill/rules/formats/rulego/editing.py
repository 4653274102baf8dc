"""What RuleGo's editor changes of a chain without sending all of it. Makes new documents; saves nothing."""

from __future__ import annotations

from collections.abc import Mapping
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


def category_of(document: Document) -> str:
    info = _about(document).get("additionalInfo")
    return str(info.get("category", "")) if isinstance(info, dict) else ""


def _about(document: Document) -> Mapping[str, Any]:
    about = document.get("ruleChain")
    return about if isinstance(about, dict) else {}
