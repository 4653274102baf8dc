"""Where a route finds what it is done to: in its path, by an execution or a task, or in what only its handler reads."""

from __future__ import annotations

from tidemill.access.actions import ThingKind
from tidemill.api.call import AllowedCall
from tidemill.api.router import Target
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.state.state import Execution, Task


async def by_handler(call: AllowedCall) -> None:
    """The handler asks: what it is done to is in the body, or in the list that is answered."""


def named(kind: ThingKind, parameter: str = "name") -> Target:
    """The path has the thing's name."""

    async def check(call: AllowedCall) -> None:
        await call.check(**{kind: call.request.path_params[parameter]})

    return check


def of_execution(parameter: str = "execution_id") -> Target:
    """The path has an execution's id: it belongs to its workflow. Raises `NotFound`."""

    async def check(call: AllowedCall) -> None:
        execution, _ = await call.services.executions.get(call.request.path_params[parameter], with_tasks=False)
        await call.check(workflow=execution.name)

    return check


async def of_task(call: AllowedCall) -> None:
    """The path has a task's id. Raises `NotFound`."""
    await check_task(call, call.request.path_params["task_id"])


async def of_ref(call: AllowedCall) -> None:
    """The path has an execution's id and the ref of a task in it: who may report on each task of that name may.
    Raises `NotFound`."""
    path = call.request.path_params
    execution, plan = await call.services.executions.get(path["execution_id"])
    names = [things_of(execution, task, plan) for task in execution.tasks if task.ref == path["ref"]]
    for things in names or [{"workflow": execution.name}]:
        await call.check(**things)


async def check_task(call: AllowedCall, task_id: str) -> None:
    """Raises `Forbidden`, and `NotFound`."""
    await call.check(**things_of(*await call.services.workers.get(task_id)))


def things_of(execution: Execution, task: Task, plan: Plan) -> dict[str, str]:
    """What a task belongs to, by kind."""
    step = plan.steps.get(task.ref)
    things = {"workflow": execution.name, "task": task.name or (step.name if step else task.ref)}
    return things | {"domain": task.domain} if task.domain else things


def queue(name: str, domain: str | None = None) -> dict[str, str]:
    """What a queue of tasks belongs to, by kind."""
    return {"task": name, "domain": domain} if domain else {"task": name}
