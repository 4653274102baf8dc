"""What executions tell the outside about themselves and their tasks: each change of status is a record, where the
plan asks for it.

Made when everything is decided, for the transaction that stores the change: so each is told once, and none that was not
stored. A change that is taken back within one transaction is none. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidemill.core.codec import to_json
from tidemill.ingest.publication import Publication
from tidemill.workflows.flow.running import headers_of
from tidemill.workflows.plans.plan import Announce
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.state import Execution


def announcements(decision: Decision, revision: int) -> Sequence[Publication]:
    """In the order in which the statuses came. `revision` is the one that the execution is stored at, 0 where it is
    new: it has then begun to run, too."""
    of_tasks = _of_tasks(decision, revision) if decision.told else ()
    announce = decision.plan.announce
    return of_tasks if announce is None else [*_of_execution(decision, revision, announce), *of_tasks]


def _of_execution(decision: Decision, revision: int, announce: Announce) -> Sequence[Publication]:
    execution = decision.execution
    told: list[Execution] = []
    if revision == 0:
        told.append(_begun(execution))
    if execution.status != ("RUNNING" if revision == 0 else decision.stored_status):
        told.append(execution)
    integration, topic = announce.target
    return [
        Publication(
            id_ := f"{execution.id}:{revision + 1}:{each.status}",
            integration,
            topic,
            None,
            execution.id.encode(),
            to_json(announce.body(each, decision.plan)),
            headers_of(execution, id_, ()),
            decision.now_ms,
        )
        for each in told
    ]


def _of_tasks(decision: Decision, revision: int) -> Sequence[Publication]:
    """Under the task's id: so each task's changes keep their order."""
    execution = decision.execution
    return [
        Publication(
            id_ := f"{execution.id}:{revision + 1}:{index}:{told.status}",
            *told.target,
            None,
            f"{execution.id}.{told.seq}".encode(),
            told.value,
            headers_of(execution, id_, ()),
            decision.now_ms,
        )
        for index, told in enumerate(decision.told)
    ]


def _begun(execution: Execution) -> Execution:
    """As it was before anything had happened."""
    return msgspec.structs.replace(
        execution, status="RUNNING", output=None, reason=None, tasks=[], failed_refs=[], ended_ms=0
    )
