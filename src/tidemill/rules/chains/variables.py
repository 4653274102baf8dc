"""What `${global.x}`, `${vars.x}`, `${ruleChain.x}` and `${secrets.x}` mean in configurations: filled in when a chain
is built, before anything is made of the texts that they stand in.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tidemill.core.findings import Finding, near
from tidemill.rules.chains.draft import ChainDraft

_VARIABLE = re.compile(r"\$\{\s*(global|vars|ruleChain|secrets)\.([\w.-]+)\s*\}")
_SECRET = re.compile(r"\$\{\s*secrets\.([\w.-]+)\s*\}")
_SECRET_BYTES = re.compile(_SECRET.pattern.encode())


class Secrets:
    """Secrets that people keep under names, as far as chains name them and as `Chains` learned them last."""

    def __init__(self) -> None:
        self.by_name: Mapping[str, str] = {}

    def of(self, draft: ChainDraft) -> Mapping[str, str]:
        """Those that the chain names, and those that it has itself, which come first."""
        return {**self.named(draft.named), **draft.secrets}

    def named(self, names: Collection[str]) -> Mapping[str, str]:
        return {name: self.by_name[name] for name in names if name in self.by_name}


def filled(value: Any, draft: ChainDraft, globals_: Mapping[str, str], secrets: Mapping[str, str]) -> Any:
    """With the variables in all texts filled in; what is not known stays as it is written."""
    if isinstance(value, str):
        if "${" not in value:
            return value
        rooms = {"global": globals_, "vars": draft.vars, "ruleChain": draft.about, "secrets": secrets}
        return _VARIABLE.sub(lambda found: _variable(found, rooms), value)
    if isinstance(value, Mapping):
        return {key: filled(item, draft, globals_, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, draft, globals_, secrets) for item in value]
    return value


def with_secrets(value: Any, secrets: Mapping[str, str]) -> Any:
    """With these secrets filled in, and all else as it is."""
    if isinstance(value, str):
        return _SECRET.sub(lambda found: secrets.get(found[1], found[0]), value) if "secrets." in value else value
    if isinstance(value, Mapping):
        return {key: with_secrets(item, secrets) for key, item in value.items()}
    return [with_secrets(item, secrets) for item in value] if isinstance(value, list) else value


def secret_findings(value: Any, path: str, draft: ChainDraft, secrets: Mapping[str, str]) -> Iterator[Finding]:
    """The secrets that a configuration names and nobody has. In ThingsBoard's chains that may be a key of metadata."""
    if isinstance(value, str):
        for name in _SECRET.findall(value) if "secrets." in value else ():
            if name not in secrets:
                message = f"there is no secret {name!r}{near(name, draft.secrets)}"
                yield Finding(path, message, "unknown_secret", "warning" if draft.format == "thingsboard" else "error")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from secret_findings(item, f"{path}.{key}", draft, secrets)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from secret_findings(item, f"{path}[{index}]", draft, secrets)


def variable_findings(value: Any, path: str, draft: ChainDraft) -> Iterator[Finding]:
    """The variables that a configuration names and the chain has not: what is written stays as it is."""
    if isinstance(value, str):
        for room, name in _VARIABLE.findall(value) if "${" in value else ():
            if room == "vars" and name not in draft.vars:
                message = f"there is no variable {name!r}{near(name, draft.vars)}"
                yield Finding(path, message, "unknown_variable", "warning")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from variable_findings(item, f"{path}.{key}", draft)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from variable_findings(item, f"{path}[{index}]", draft)


def secrets_named(stored: bytes) -> frozenset[str]:
    """By a document, anywhere in it."""
    found = _SECRET_BYTES.findall(stored) if b"secrets." in stored else ()
    return frozenset(name.decode() for name in found)


def _variable(found: re.Match[str], rooms: Mapping[str, Mapping[str, Any]]) -> str:
    room, name = found.groups()
    value = rooms[room].get(name)
    return str(value) if isinstance(value, (str, int, float)) else found.group()
