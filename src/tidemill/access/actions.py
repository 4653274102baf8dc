"""Every action that a route can declare, each a value with a name. Which roles may do it is `roles`' business."""

from __future__ import annotations

from typing import Literal

import msgspec

Right = Literal["CREATE", "READ", "UPDATE", "DELETE", "EXECUTE"]
ThingKind = Literal["workflow", "task", "event_handler", "integration", "schema", "secret", "application", "domain"]
"""What rights can be had on, one by one. A domain stands for all tasks that are in it when they are handed out."""


class Action(msgspec.Struct, frozen=True):
    """`name` is what the audit log and the API's document show. `granted_by` lists the rights on a single thing of
    which each allows the action on what belongs to that thing."""

    name: str
    description: str
    granted_by: tuple[tuple[ThingKind, Right], ...] = ()


PUBLIC = Action("public", "Open to everybody, without a token")
SIGNED_IN = Action("signed_in", "Open to every principal, whatever its roles")

WORKFLOW_DEF_READ = Action("workflow_def.read", "See workflow definitions and their saves", (("workflow", "READ"),))
WORKFLOW_DEF_CREATE = Action(
    "workflow_def.create", "Create workflow definitions, with all rights on one's own", (("workflow", "CREATE"),)
)
WORKFLOW_DEF_WRITE = Action("workflow_def.write", "Save workflow definitions", (("workflow", "UPDATE"),))
WORKFLOW_DEF_DELETE = Action("workflow_def.delete", "Remove workflow definitions", (("workflow", "DELETE"),))
TASK_DEF_READ = Action("task_def.read", "See task definitions and their saves", (("task", "READ"),))
TASK_DEF_CREATE = Action(
    "task_def.create", "Create task definitions, with all rights on one's own", (("task", "CREATE"),)
)
TASK_DEF_WRITE = Action("task_def.write", "Save task definitions", (("task", "UPDATE"),))
TASK_DEF_DELETE = Action("task_def.delete", "Remove task definitions", (("task", "DELETE"),))
EVENT_HANDLER_READ = Action("event_handler.read", "See event handlers and their saves", (("event_handler", "READ"),))
EVENT_HANDLER_CREATE = Action(
    "event_handler.create", "Create event handlers, with all rights on one's own", (("event_handler", "CREATE"),)
)
EVENT_HANDLER_WRITE = Action("event_handler.write", "Save event handlers", (("event_handler", "UPDATE"),))
EVENT_HANDLER_DELETE = Action("event_handler.delete", "Remove event handlers", (("event_handler", "DELETE"),))
RULE_CHAIN_READ = Action("rule_chain.read", "See rule chains and their saves")
RULE_CHAIN_WRITE = Action("rule_chain.write", "Save rule chains")
RULE_CHAIN_DELETE = Action("rule_chain.delete", "Remove rule chains")
RULE_CHAIN_RUN = Action("rule_chain.run", "Send messages through rule chains by hand")
ENDPOINT_CALL = Action("endpoint.call", "Call the HTTP endpoints of rule chains")
RULE_CHAIN_DEBUG = Action("rule_chain.debug", "See the messages that nodes of rule chains kept for a look")
INTEGRATION_READ = Action("integration.read", "See integrations, without their secrets", (("integration", "READ"),))
INTEGRATION_CREATE = Action(
    "integration.create", "Create integrations, with all rights on one's own", (("integration", "CREATE"),)
)
INTEGRATION_WRITE = Action("integration.write", "Save integrations", (("integration", "UPDATE"),))
INTEGRATION_DELETE = Action("integration.delete", "Remove integrations", (("integration", "DELETE"),))
INTEGRATION_USE = Action(
    "integration.use", "Let workflows and event handlers use integrations", (("integration", "EXECUTE"),)
)
INTEGRATION_TEST = Action("integration.test", "Test the connection of an integration", (("integration", "EXECUTE"),))
SCHEMA_READ = Action("schema.read", "See schemas and their saves", (("schema", "READ"),))
SCHEMA_CREATE = Action("schema.create", "Create schemas, with all rights on one's own", (("schema", "CREATE"),))
SCHEMA_WRITE = Action("schema.write", "Save schemas", (("schema", "UPDATE"),))
SCHEMA_DELETE = Action("schema.delete", "Remove schemas", (("schema", "DELETE"),))
SECRET_READ = Action("secret.read", "See the names of secrets; their values nobody sees", (("secret", "READ"),))
SECRET_CREATE = Action("secret.create", "Create secrets, with all rights on one's own", (("secret", "CREATE"),))
SECRET_WRITE = Action("secret.write", "Set secrets", (("secret", "UPDATE"),))
SECRET_USE = Action("secret.use", "Let workflows and rule chains use secrets", (("secret", "EXECUTE"),))
SECRET_DELETE = Action("secret.delete", "Remove secrets", (("secret", "DELETE"),))

WORKFLOW_START = Action("workflow.start", "Start workflows", (("workflow", "EXECUTE"),))
WORKFLOW_READ = Action("workflow.read", "See and search executions", (("workflow", "READ"),))
WORKFLOW_CONTROL = Action(
    "workflow.control", "Steer executions: pause, end, revive, change variables", (("workflow", "EXECUTE"),)
)
WORKFLOW_REMOVE = Action("workflow.remove", "Remove executions that have ended", (("workflow", "DELETE"),))
TASK_POLL = Action("task.poll", "Poll for tasks", (("task", "EXECUTE"), ("domain", "EXECUTE")))
TASK_UPDATE = Action(
    "task.update",
    "Report results and logs of tasks",
    (("task", "EXECUTE"), ("domain", "EXECUTE"), ("workflow", "EXECUTE")),
)
TASK_READ = Action(
    "task.read",
    "See tasks, their logs and the queues",
    (("workflow", "READ"), ("task", "EXECUTE"), ("domain", "EXECUTE")),
)

RECORD_READ = Action("record.read", "See what became of records: history, traces, gaps")
DEAD_LETTER_READ = Action("dead_letter.read", "See dead letters with their content")
DEAD_LETTER_SETTLE = Action("dead_letter.settle", "Replay and discard dead letters")

APPLICATION_READ = Action("application.read", "See applications and the ids of their keys", (("application", "READ"),))
APPLICATION_CREATE = Action(
    "application.create", "Create applications, with all rights on one's own", (("application", "CREATE"),)
)
APPLICATION_WRITE = Action(
    "application.write", "Create and change applications, their roles and keys", (("application", "UPDATE"),)
)
APPLICATION_DELETE = Action("application.delete", "Remove applications", (("application", "DELETE"),))
USER_READ = Action("user.read", "See users, groups and roles")
USER_WRITE = Action("user.write", "Create, change and remove users and groups, their roles and passwords")
ROLE_WRITE = Action("role.write", "Create, change and remove roles of one's own making")
GRANT_READ = Action("grant.read", "See who has which rights on single things")
GRANT_WRITE = Action("grant.write", "Give and take rights on single things")
AUDIT_READ = Action("audit.read", "Read the audit log")
METRICS_READ = Action("metrics.read", "Read the metrics")

_DECLARED = [value for value in list(globals().values()) if isinstance(value, Action)]
ALL: frozenset[Action] = frozenset(_DECLARED)


def main_action(kind: ThingKind, right: Right) -> Action | None:
    """What a right on a thing of a kind is first of all for."""
    return next((action for action in _DECLARED if (kind, right) in action.granted_by), None)


CREATE_OF: dict[Action, Action] = {
    WORKFLOW_DEF_WRITE: WORKFLOW_DEF_CREATE,
    TASK_DEF_WRITE: TASK_DEF_CREATE,
    EVENT_HANDLER_WRITE: EVENT_HANDLER_CREATE,
    INTEGRATION_WRITE: INTEGRATION_CREATE,
    SCHEMA_WRITE: SCHEMA_CREATE,
    SECRET_WRITE: SECRET_CREATE,
}
"""What is asked of those who save a thing that is not there yet, and may not change all that are."""
