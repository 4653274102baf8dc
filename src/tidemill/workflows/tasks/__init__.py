"""The task kinds: those listed here, and those that other packages bring by the entry point group `tidemill.tasks`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points

from tidemill.workflows.tasks.dynamic import DynamicTask
from tidemill.workflows.tasks.exclusive_join import ExclusiveJoinTask
from tidemill.workflows.tasks.fork import ForkTask
from tidemill.workflows.tasks.fork_dynamic import ForkDynamicTask
from tidemill.workflows.tasks.http import HttpTask
from tidemill.workflows.tasks.join import JoinTask
from tidemill.workflows.tasks.jq import JqTask
from tidemill.workflows.tasks.kind import TaskKind
from tidemill.workflows.tasks.loop import LoopTask
from tidemill.workflows.tasks.noop import NoopTask
from tidemill.workflows.tasks.produce import ProduceTask
from tidemill.workflows.tasks.publish import PublishTask
from tidemill.workflows.tasks.script import ScriptTask
from tidemill.workflows.tasks.scripted_join import ScriptedJoinTask
from tidemill.workflows.tasks.set_variables import SetVariablesTask
from tidemill.workflows.tasks.start_workflow import StartWorkflowTask
from tidemill.workflows.tasks.sub_workflow import SubWorkflowTask
from tidemill.workflows.tasks.switch import SwitchTask
from tidemill.workflows.tasks.take_messages import TakeMessagesTask
from tidemill.workflows.tasks.terminate import TerminateTask
from tidemill.workflows.tasks.wait import WaitTask
from tidemill.workflows.tasks.worker import WorkerTask

ENTRY_POINT_GROUP = "tidemill.tasks"

BUILT_IN: tuple[TaskKind, ...] = (
    HttpTask(),
    DynamicTask(),
    ExclusiveJoinTask(),
    ForkDynamicTask(),
    ForkTask(),
    JoinTask(),
    JqTask(),
    LoopTask(),
    NoopTask(),
    ProduceTask(),
    PublishTask(),
    ScriptTask(),
    ScriptedJoinTask(),
    SetVariablesTask(),
    StartWorkflowTask(),
    SubWorkflowTask(),
    SwitchTask(),
    TakeMessagesTask(),
    TerminateTask(),
    WaitTask(),
    WorkerTask(),
)


def registry(built_in: Iterable[TaskKind], added: Iterable[TaskKind]) -> Mapping[str, TaskKind]:
    """Kinds by name. Raises `ValueError` where a name is taken: two meanings of one definition are a trap."""
    kinds: dict[str, TaskKind] = {}
    for kind in (*built_in, *added):
        if kind.name in kinds:
            raise ValueError(f"the task kind {kind.name!r} exists twice")
        kinds[kind.name] = kind
    return kinds


KINDS = registry(BUILT_IN, (entry.load() for entry in entry_points(group=ENTRY_POINT_GROUP)))
