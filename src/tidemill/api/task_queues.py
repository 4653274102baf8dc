"""The queues that workers poll, for those who look at them: how long they are, and who asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query, Response

from tidemill.access import actions
from tidemill.api.answers import json_answer, text_answer
from tidemill.api.call import Call
from tidemill.api.router import Routes
from tidemill.api.targets import by_handler, queue
from tidemill.workflows.formats.conductor.views import poll_json

routes = Routes("Task", "/api/tasks/queue")


@routes.get("/sizes", actions.TASK_READ, dict[str, int], on=by_handler)
async def queue_sizes(call: Call, task_type: Annotated[list[str] | None, Query(alias="taskType")] = None) -> Response:
    """How many tasks wait for workers, of the names given."""
    return json_answer(await _sizes(call, task_type or []))


@routes.get("/all", actions.TASK_READ, dict[str, int], on=by_handler)
async def all_queues(call: Call) -> Response:
    """How many tasks wait for workers, by name."""
    return json_answer(await _sizes(call))


@routes.get("/all/verbose", actions.TASK_READ, dict[str, Any], on=by_handler)
async def all_queues_in_detail(call: Call) -> Response:
    """The same in the shape of Conductor, by shard: there is one."""
    sizes = await _sizes(call)
    return json_answer({name: {"a": {"size": size, "uacked": 0}} for name, size in sizes.items()})


@routes.get("/polldata", actions.TASK_READ, list[dict[str, Any]], on=by_handler)
async def poll_data(call: Call, task_type: Annotated[str, Query(alias="taskType")]) -> Response:
    """Which workers asked when for tasks of a name."""
    await call.check(**queue(task_type))
    return json_answer(list(map(poll_json, await call.services.workers.last_polls(task_type))))


@routes.get("/polldata/all", actions.TASK_READ, list[dict[str, Any]], on=by_handler)
async def all_poll_data(call: Call) -> Response:
    """Which workers asked when for tasks of any name."""
    polls = await call.services.workers.last_polls()
    return json_answer([poll_json(poll) for poll in call.shown(polls, lambda poll: queue(poll.name, poll.domain))])


@routes.post("/requeue/{name}", actions.TASK_UPDATE)
async def requeue(call: Call, name: str) -> Response:
    """How many tasks had to be put into their queue again: none, as they are stored together with it."""
    return text_answer("0")


async def _sizes(call: Call, names: Sequence[str] = ()) -> dict[str, int]:
    """Of the queues that the caller may see."""
    sizes = await call.services.workers.queue_sizes(names)
    return {name: sizes[name] for name in call.shown(sizes, queue)}
