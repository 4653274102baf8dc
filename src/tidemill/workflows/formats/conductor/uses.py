"""What a definition makes use of that others have put there: secrets and integrations, by name. Judges nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tidemill.workflows.secrets import names_mentioned

_SCHEME = "kafka:"
_OPEN_TYPES = frozenset({"KAFKA_PUBLISH", "FORK_JOIN_DYNAMIC"})
"""The first finds its integration by its servers; the second may be given tasks that publish anywhere."""
_OPEN_KEYS = frozenset({"sink", "workflowDefinition", "workflowDef"})
"""Where an expression may bring in any address."""


class Uses(msgspec.Struct, frozen=True):
    """`is_open`: it may publish through integrations that only a run finds."""

    secrets: frozenset[str] = frozenset()
    integrations: frozenset[str] = frozenset()
    is_open: bool = False


def uses_of(document: Any) -> Uses:
    """Of a workflow or an event handler, whether there is something wrong with it or not."""
    secrets, integrations, is_open = set[str](), set[str](), False
    for key, text in _texts(document):
        secrets |= names_mentioned(text)
        name = _integration(text)
        if name and "${" not in name:
            integrations.add(name)
        is_open = is_open or bool(name and "${" in name) or _is_open(key, text)
    return Uses(frozenset(secrets), frozenset(integrations), is_open)


def _is_open(key: str, text: str) -> bool:
    if key == "type":
        return text in _OPEN_TYPES
    return key in _OPEN_KEYS and "${" in text and _integration(text) is None


def _integration(text: str) -> str | None:
    """Of `kafka:<integration>:<topic>`."""
    parts = text.strip().split(":")
    return parts[1] if len(parts) > 2 and text.strip().startswith(_SCHEME) else None


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each text with the key that it stands under; the keys themselves, too."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield "", str(name)
            yield from _texts(item, str(name))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, key)
