"""Passwords in an integration's document: encrypted where it is stored, masked where it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.core.cipher import Cipher
from tidemill.core.findings import Finding
from tidemill.kafka.integration import SECRETS
from tidemill.kafka.security import MASK

_PREFIX = "encrypted:"


def seal(configuration: Mapping[str, Any], stored: Mapping[str, Any], cipher: Cipher) -> dict[str, Any]:
    """For storing. A mask that comes back keeps what is stored; without anything stored it means nothing."""
    return {key: _sealed(key, value, stored, cipher) for key, value in configuration.items()}


def unkept(configuration: Mapping[str, Any], stored: Mapping[str, Any]) -> list[Finding]:
    """Masks in whose place nothing is stored."""
    found = [key for key in configuration if key in SECRETS and configuration[key] == MASK and not stored.get(key)]
    return [Finding(f"configuration.{key}", f"is {MASK}, and none is kept: give it in plain") for key in found]


def unseal(configuration: Mapping[str, Any], cipher: Cipher) -> dict[str, Any]:
    """For use. Raises `WrongKey`."""
    return {
        key: cipher.decrypt(value.removeprefix(_PREFIX)) if _is_sealed(key, value) else value
        for key, value in configuration.items()
    }


def mask(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """For showing."""
    return {key: MASK if key in SECRETS and value else value for key, value in configuration.items()}


def _sealed(key: str, value: Any, stored: Mapping[str, Any], cipher: Cipher) -> Any:
    if key not in SECRETS or not value:
        return value
    if value == MASK:
        return stored.get(key)
    return _PREFIX + cipher.encrypt(value)


def _is_sealed(key: str, value: Any) -> bool:
    return key in SECRETS and isinstance(value, str) and value.startswith(_PREFIX)
