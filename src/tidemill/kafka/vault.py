"""Passwords in an integration's document: encrypted where it is stored, masked where it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.core.cipher import Cipher
from tidemill.kafka.integration import SECRETS

MASK = "***"
_PREFIX = "encrypted:"


def seal(configuration: Mapping[str, Any], stored: Mapping[str, Any], cipher: Cipher) -> dict[str, Any]:
    """For storing. A mask that comes back keeps what is stored; without anything stored it means nothing."""
    return {key: _sealed(key, value, stored, cipher) for key, value in configuration.items()}


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
