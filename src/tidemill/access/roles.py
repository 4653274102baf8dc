"""Roles: named sets of actions. What no role of a principal contains is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidemill.access import actions
from tidemill.access.actions import Action
from tidemill.core.errors import BadInput
from tidemill.core.findings import Finding, near

_READ_DEFINITIONS = frozenset(
    {
        actions.WORKFLOW_DEF_READ,
        actions.TASK_DEF_READ,
        actions.EVENT_HANDLER_READ,
        actions.RULE_CHAIN_READ,
        actions.INTEGRATION_READ,
        actions.SCHEMA_READ,
    }
)
_READ_EXECUTIONS = frozenset(
    {actions.WORKFLOW_READ, actions.TASK_READ, actions.RECORD_READ, actions.METRICS_READ},
)
_WRITE_WORKFLOW_METADATA = frozenset(
    {
        actions.WORKFLOW_DEF_WRITE,
        actions.WORKFLOW_DEF_DELETE,
        actions.TASK_DEF_WRITE,
        actions.TASK_DEF_DELETE,
        actions.SCHEMA_WRITE,
        actions.SCHEMA_DELETE,
    }
)
_WRITE_EVENT_METADATA = frozenset(
    {
        actions.EVENT_HANDLER_WRITE,
        actions.EVENT_HANDLER_DELETE,
        actions.RULE_CHAIN_WRITE,
        actions.RULE_CHAIN_DELETE,
        actions.INTEGRATION_WRITE,
        actions.INTEGRATION_DELETE,
        actions.INTEGRATION_TEST,
    }
)
_SECRETS = frozenset({actions.SECRET_READ, actions.SECRET_WRITE, actions.SECRET_DELETE})
_WORK = frozenset(
    {actions.TASK_POLL, actions.TASK_UPDATE, actions.TASK_READ, actions.TASK_DEF_READ, actions.SCHEMA_READ}
)

ROLES: Mapping[str, frozenset[Action]] = {
    "ADMIN": actions.ALL,
    "METADATA_MANAGER": _READ_DEFINITIONS
    | _READ_EXECUTIONS
    | _WRITE_WORKFLOW_METADATA
    | _WRITE_EVENT_METADATA
    | _SECRETS,
    "METADATA_API": _READ_DEFINITIONS | _WRITE_WORKFLOW_METADATA | _WRITE_EVENT_METADATA | {actions.SECRET_READ},
    "WORKFLOW_MANAGER": _READ_DEFINITIONS
    | _READ_EXECUTIONS
    | _WORK
    | {
        actions.WORKFLOW_START,
        actions.RULE_CHAIN_RUN,
        actions.WORKFLOW_CONTROL,
        actions.WORKFLOW_REMOVE,
        actions.DEAD_LETTER_READ,
        actions.DEAD_LETTER_SETTLE,
    },
    "APPLICATION_MANAGER": frozenset({actions.APPLICATION_READ, actions.APPLICATION_WRITE}),
    "USER": _READ_DEFINITIONS | _READ_EXECUTIONS | {actions.WORKFLOW_START, actions.RULE_CHAIN_RUN},
    "USER_READ_ONLY": _READ_DEFINITIONS | _READ_EXECUTIONS,
    # Until grants on single task definitions exist, a worker may poll for any task.
    "WORKER": _WORK,
    "UNRESTRICTED_WORKER": _WORK,
}


def may(roles: Iterable[str], action: Action) -> bool:
    return any(action in ROLES.get(role, ()) for role in roles)


def covers(roles: Iterable[str], others: Iterable[str]) -> bool:
    """Whether `roles` allow all that `others` allow: nobody gives away more than they have."""
    held = set[Action]().union(*(ROLES.get(role, frozenset()) for role in roles))
    return all(ROLES.get(role, frozenset()) <= held for role in others)


def check_role(role: str) -> None:
    """Raises `BadInput` for a role that does not exist."""
    if role not in ROLES:
        raise BadInput([Finding("role", f"unknown role {role!r}{near(role, ROLES)}", "unknown_role")])
