"""Passwords of Kafka clusters in a chain's document: they go into the cluster's integration, which encrypts them, and
are not kept with the chain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
"""In the place of one, in what is stored and shown."""
_JAAS = re.compile(r"""(\bpassword\s*=\s*")(?!\$\{)(?:[^"\\]|\\.)+(")""")


def without_passwords(document: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with `sasl.password`, and that of a JAAS login, masked in all configurations. What refers to a variable
    stays as it is."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        return dict(document)
    found = {key: _masked(metadata[key]) for key in ("nodes", "endpoints") if isinstance(metadata.get(key), list)}
    return {**document, "metadata": {**metadata, **found}}


def _masked(items: list[Any]) -> list[Any]:
    return [_of_one(item) if isinstance(item, dict) else item for item in items]


def _of_one(item: dict[str, Any]) -> dict[str, Any]:
    configuration = item.get("configuration")
    if isinstance(configuration, dict) and isinstance(configuration.get("otherProperties"), dict):
        masked = {key: _without_login(value) for key, value in configuration["otherProperties"].items()}
        return {**item, "configuration": {**configuration, "otherProperties": masked}}
    sasl = configuration.get("sasl") if isinstance(configuration, dict) else None
    password = sasl.get("password") if isinstance(sasl, dict) else None
    if not password or not isinstance(configuration, dict) or "${" in str(password):
        return item
    return {**item, "configuration": {**configuration, "sasl": {**(sasl or {}), "password": MASK}}}


def _without_login(value: Any) -> Any:
    """Of properties as Java's clients have them, where the login is a line of its own (`sasl.jaas.config`)."""
    return _JAAS.sub(rf"\g<1>{MASK}\g<2>", value) if isinstance(value, str) else value
