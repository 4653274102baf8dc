"""Conductor's names for what rights are on, and for what roles of the users' own making may."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import get_args

from tidemill.access import actions
from tidemill.access.actions import ALL, Action, Right, ThingKind
from tidemill.access.permission import actions_on
from tidemill.access.ports import GrantKind
from tidemill.core.errors import BadInput, NotSupported
from tidemill.core.findings import Finding, near

KINDS: Mapping[str, GrantKind] = {
    "WORKFLOW_DEF": "workflow",
    "TASK_DEF": "task",
    "EVENT_HANDLER": "event_handler",
    "INTEGRATION_PROVIDER": "integration",
    "SCHEMA": "schema",
    "SECRET_NAME": "secret",
    "APPLICATION": "application",
    "DOMAIN": "domain",
    "TAG": "tag",
}
_NAMES: Mapping[GrantKind, str] = {kind: name for name, kind in KINDS.items()}
_ALSO: Mapping[str, GrantKind] = {"SECRET": "secret"}
"""As the SDK says it."""
_OTHERS = frozenset(
    "WORKFLOW WORKFLOW_SCHEDULE TASK_REF_NAME TASK_ID USER GROUP ROLE ENV_VARIABLE INTEGRATION PROMPT "  # noqa: SIM905
    "USER_FORM_TEMPLATE CLUSTER_CONFIG WEBHOOK API_GATEWAY_SERVICE API_GATEWAY_SERVICE_ROUTE AUTH_CONFIG "
    "SERVICE_REGISTRY".split()
)
RIGHTS: Collection[Right] = get_args(Right)


def read_kind(name: str, path: str = "target.type") -> GrantKind:
    """Raises `BadInput`, and `NotSupported` for what there are no rights on here."""
    kind = KINDS.get(name) or _ALSO.get(name)
    if kind is None and name in _OTHERS:
        raise NotSupported(
            f"not supported: rights on single things of the type {name}; there are on {', '.join(KINDS)}"
        )
    if kind is None:
        raise BadInput([Finding(path, f"unknown type {name!r}{near(name, KINDS)}")])
    return kind


def kind_name(kind: GrantKind) -> str:
    return _NAMES[kind]


def read_rights(names: Collection[str], path: str = "access") -> list[Right]:
    """Raises `BadInput`."""
    known: dict[str, Right] = {right: right for right in RIGHTS}
    wrong = [Finding(path, f"unknown access {name!r}{near(name, known)}") for name in names if name not in known]
    if wrong:
        raise BadInput(wrong)
    return [known[name] for name in dict.fromkeys(names)]


def read_permissions(names: Collection[str]) -> frozenset[Action]:
    """What permissions allow: Conductor's (`READ_WORKFLOW_DEF`) and those of one action (`workflow.start`). Raises
    `BadInput`."""
    wrong = [
        Finding("permissions", f"unknown permission {name!r}{near(name, _PERMISSIONS)}", "unknown_permission")
        for name in names
        if name not in _PERMISSIONS
    ]
    if wrong:
        raise BadInput(wrong)
    return frozenset[Action]().union(*(_PERMISSIONS[name] for name in names))


def described() -> dict[str, str]:
    """Each permission with what it allows."""
    return {
        name: "; ".join(sorted(action.description for action in allowed))
        for name, allowed in sorted(_PERMISSIONS.items())
    }


def _permissions() -> Mapping[str, frozenset[Action]]:
    found: dict[str, frozenset[Action]] = {action.name: frozenset({action}) for action in ALL - _NOT_GIVEN}
    names: dict[str, ThingKind] = {name: kind for name, kind in {**KINDS, **_ALSO}.items() if kind != "tag"}
    names["INTEGRATION"] = "integration"
    for name, kind in names.items():
        seen = _first_of_all(kind, "READ")
        for right in RIGHTS:
            allowed = _first_of_all(kind, right)
            if allowed:
                found[f"{right}_{name}"] = allowed if right in ("CREATE", "READ") else allowed | seen
    return found | {f"READ_{name}": frozenset({actions.USER_READ}) for name in ("USER", "GROUP", "ROLE")}


def _first_of_all(kind: ThingKind, right: Right) -> frozenset[Action]:
    """What the right is for; not what it allows beside it on what belongs to the thing."""
    return frozenset(action for action in actions_on(kind, right) if action.granted_by[0] == (kind, right))


_NOT_GIVEN = frozenset({actions.PUBLIC, actions.SIGNED_IN})
_PERMISSIONS = _permissions()
