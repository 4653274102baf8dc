"""Every action that a route can declare, each a value with a name. Which roles may do it is `roles`' business."""

from __future__ import annotations

import msgspec


class Action(msgspec.Struct, frozen=True):
    """`name` is what the audit log and the API's document show."""

    name: str
    description: str


PUBLIC = Action("public", "Open to everybody, without a token")
SIGNED_IN = Action("signed_in", "Open to every principal, whatever its roles")

WORKFLOW_DEF_READ = Action("workflow_def.read", "See workflow definitions and their saves")
WORKFLOW_DEF_WRITE = Action("workflow_def.write", "Save workflow definitions")
WORKFLOW_DEF_DELETE = Action("workflow_def.delete", "Remove workflow definitions")
TASK_DEF_READ = Action("task_def.read", "See task definitions and their saves")
TASK_DEF_WRITE = Action("task_def.write", "Save task definitions")
TASK_DEF_DELETE = Action("task_def.delete", "Remove task definitions")
EVENT_HANDLER_READ = Action("event_handler.read", "See event handlers and their saves")
EVENT_HANDLER_WRITE = Action("event_handler.write", "Save event handlers")
EVENT_HANDLER_DELETE = Action("event_handler.delete", "Remove event handlers")
INTEGRATION_READ = Action("integration.read", "See integrations, without their secrets")
INTEGRATION_WRITE = Action("integration.write", "Save integrations")
INTEGRATION_DELETE = Action("integration.delete", "Remove integrations")
INTEGRATION_TEST = Action("integration.test", "Test the connection of an integration")
SCHEMA_READ = Action("schema.read", "See schemas and their saves")
SCHEMA_WRITE = Action("schema.write", "Save schemas")
SCHEMA_DELETE = Action("schema.delete", "Remove schemas")
RULE_CHAIN_READ = Action("rule_chain.read", "See rule chains and their saves")
RULE_CHAIN_WRITE = Action("rule_chain.write", "Save rule chains")
RULE_CHAIN_DELETE = Action("rule_chain.delete", "Remove rule chains")
RULE_CHAIN_RUN = Action("rule_chain.run", "Send messages through rule chains by hand")
SECRET_READ = Action("secret.read", "See the names of secrets; their values nobody sees")
SECRET_WRITE = Action("secret.write", "Set secrets")
SECRET_DELETE = Action("secret.delete", "Remove secrets")

WORKFLOW_START = Action("workflow.start", "Start workflows")
WORKFLOW_READ = Action("workflow.read", "See and search executions")
WORKFLOW_CONTROL = Action("workflow.control", "Steer executions: pause, end, revive, change variables")
WORKFLOW_REMOVE = Action("workflow.remove", "Remove executions that have ended")
TASK_POLL = Action("task.poll", "Poll for tasks")
TASK_UPDATE = Action("task.update", "Report results and logs of tasks")
TASK_READ = Action("task.read", "See tasks, their logs and the queues")

RECORD_READ = Action("record.read", "See what became of records: history, traces, gaps")
DEAD_LETTER_READ = Action("dead_letter.read", "See dead letters with their content")
DEAD_LETTER_SETTLE = Action("dead_letter.settle", "Replay and discard dead letters")

APPLICATION_READ = Action("application.read", "See applications and the ids of their keys")
APPLICATION_WRITE = Action("application.write", "Create, change and remove applications, their roles and keys")
USER_READ = Action("user.read", "See users, groups and roles")
USER_WRITE = Action("user.write", "Create, change and remove users and groups, their roles and passwords")
AUDIT_READ = Action("audit.read", "Read the audit log")
METRICS_READ = Action("metrics.read", "Read the metrics")

ALL: frozenset[Action] = frozenset(value for value in list(globals().values()) if isinstance(value, Action))
