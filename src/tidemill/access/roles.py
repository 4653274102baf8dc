"""The roles that there are from the start: named sets of actions. Those of the users' making are in `custom_roles`."""

from __future__ import annotations

from collections.abc import Mapping

from tidemill.access import actions
from tidemill.access.actions import Action

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
        actions.WORKFLOW_DEF_CREATE,
        actions.WORKFLOW_DEF_WRITE,
        actions.WORKFLOW_DEF_DELETE,
        actions.TASK_DEF_CREATE,
        actions.TASK_DEF_WRITE,
        actions.TASK_DEF_DELETE,
        actions.SCHEMA_CREATE,
        actions.SCHEMA_WRITE,
        actions.SCHEMA_DELETE,
    }
)
_WRITE_EVENT_METADATA = frozenset(
    {
        actions.EVENT_HANDLER_CREATE,
        actions.EVENT_HANDLER_WRITE,
        actions.EVENT_HANDLER_DELETE,
        actions.RULE_CHAIN_WRITE,
        actions.RULE_CHAIN_DELETE,
        actions.INTEGRATION_CREATE,
        actions.INTEGRATION_WRITE,
        actions.INTEGRATION_DELETE,
        actions.INTEGRATION_USE,
        actions.INTEGRATION_TEST,
    }
)
_SECRETS = frozenset(
    {actions.SECRET_READ, actions.SECRET_CREATE, actions.SECRET_WRITE, actions.SECRET_USE, actions.SECRET_DELETE}
)
_OWN = frozenset(
    {
        actions.WORKFLOW_DEF_CREATE,
        actions.TASK_DEF_CREATE,
        actions.INTEGRATION_CREATE,
        actions.SECRET_CREATE,
        actions.APPLICATION_CREATE,
    }
)
_WORKERS_DEFINITIONS = frozenset({actions.TASK_DEF_READ, actions.SCHEMA_READ})
_WORK = frozenset({actions.TASK_POLL, actions.TASK_UPDATE})

ROLES: Mapping[str, frozenset[Action]] = {
    "ADMIN": actions.ALL,
    "METADATA_MANAGER": _READ_DEFINITIONS
    | _READ_EXECUTIONS
    | _WRITE_WORKFLOW_METADATA
    | _WRITE_EVENT_METADATA
    | _SECRETS
    | {actions.RULE_CHAIN_DEBUG},
    "METADATA_API": _READ_DEFINITIONS | _WRITE_WORKFLOW_METADATA | _WRITE_EVENT_METADATA | {actions.SECRET_READ},
    "WORKFLOW_MANAGER": _READ_DEFINITIONS
    | _READ_EXECUTIONS
    | _WORK
    | {
        actions.WORKFLOW_START,
        actions.RULE_CHAIN_RUN,
        actions.ENDPOINT_CALL,
        actions.RULE_CHAIN_DEBUG,
        actions.WORKFLOW_CONTROL,
        actions.WORKFLOW_REMOVE,
        actions.DEAD_LETTER_READ,
        actions.DEAD_LETTER_SETTLE,
    },
    "APPLICATION_MANAGER": frozenset(
        {
            actions.APPLICATION_READ,
            actions.APPLICATION_CREATE,
            actions.APPLICATION_WRITE,
            actions.APPLICATION_DELETE,
        }
    ),
    "APPLICATION_CREATOR": frozenset({actions.APPLICATION_CREATE}),
    "USER": _READ_DEFINITIONS
    | _READ_EXECUTIONS
    | _OWN
    | {actions.WORKFLOW_START, actions.RULE_CHAIN_RUN, actions.ENDPOINT_CALL},
    "USER_READ_ONLY": _READ_DEFINITIONS | _READ_EXECUTIONS,
    "WORKER": _WORKERS_DEFINITIONS,
    "UNRESTRICTED_WORKER": _WORKERS_DEFINITIONS | _WORK | {actions.TASK_READ},
}

WITH_GRANT: Mapping[str, frozenset[Action]] = {"WORKER": _WORK}
"""What a role allows on those things only that are granted beside it."""
NEEDING_ROLE: frozenset[Action] = frozenset().union(*WITH_GRANT.values())
"""A right on a task alone makes no worker: clients may have one, too."""
