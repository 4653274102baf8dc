"""Conductor's task types: one file each, listed here. Reading, the reference and its examples come from this list."""

from __future__ import annotations

from collections.abc import Mapping

from tidemill.workflows.formats.conductor.source import TaskType
from tidemill.workflows.formats.conductor.types.decision import DECISION
from tidemill.workflows.formats.conductor.types.do_while import DO_WHILE
from tidemill.workflows.formats.conductor.types.dynamic import DYNAMIC
from tidemill.workflows.formats.conductor.types.event import EVENT
from tidemill.workflows.formats.conductor.types.exclusive_join import EXCLUSIVE_JOIN
from tidemill.workflows.formats.conductor.types.fork_join import FORK_JOIN
from tidemill.workflows.formats.conductor.types.fork_join_dynamic import FORK_JOIN_DYNAMIC
from tidemill.workflows.formats.conductor.types.http import HTTP
from tidemill.workflows.formats.conductor.types.human import HUMAN
from tidemill.workflows.formats.conductor.types.inline import INLINE
from tidemill.workflows.formats.conductor.types.join import JOIN
from tidemill.workflows.formats.conductor.types.jq import JSON_JQ_TRANSFORM
from tidemill.workflows.formats.conductor.types.kafka_publish import KAFKA_PUBLISH
from tidemill.workflows.formats.conductor.types.lambda_task import LAMBDA
from tidemill.workflows.formats.conductor.types.noop import NOOP
from tidemill.workflows.formats.conductor.types.pull_workflow_messages import PULL_WORKFLOW_MESSAGES
from tidemill.workflows.formats.conductor.types.set_variable import SET_VARIABLE
from tidemill.workflows.formats.conductor.types.simple import SIMPLE
from tidemill.workflows.formats.conductor.types.start_workflow import START_WORKFLOW
from tidemill.workflows.formats.conductor.types.sub_workflow import SUB_WORKFLOW
from tidemill.workflows.formats.conductor.types.switch import SWITCH
from tidemill.workflows.formats.conductor.types.terminate import TERMINATE
from tidemill.workflows.formats.conductor.types.wait import WAIT

TYPES: tuple[TaskType, ...] = (
    SIMPLE,
    EVENT,
    KAFKA_PUBLISH,
    HTTP,
    INLINE,
    JSON_JQ_TRANSFORM,
    SET_VARIABLE,
    SWITCH,
    FORK_JOIN,
    FORK_JOIN_DYNAMIC,
    JOIN,
    EXCLUSIVE_JOIN,
    DO_WHILE,
    SUB_WORKFLOW,
    START_WORKFLOW,
    DYNAMIC,
    TERMINATE,
    WAIT,
    HUMAN,
    PULL_WORKFLOW_MESSAGES,
    NOOP,
    DECISION,
    LAMBDA,
)

BY_NAME: Mapping[str, TaskType] = {name: each for each in TYPES for name in (each.name, *each.aliases)}
