"""Workers as a user of the SDK writes them. Each runs in a process of its own, which imports this module.

The SDK reads the annotations as types, so they must not be postponed.
"""

from typing import Any

from conductor.client.context.task_context import get_task_context
from conductor.client.worker.worker_task import worker_task


@worker_task(task_definition_name="sdk_greet", poll_interval_millis=20, register_task_def=True)  # type: ignore[untyped-decorator]
def greet(name: str) -> dict[str, Any]:
    get_task_context().add_log(f"greeting {name}")
    return {"greeting": f"Hello {name}"}


@worker_task(task_definition_name="sdk_flaky", poll_interval_millis=20)  # type: ignore[untyped-decorator]
def flaky() -> dict[str, Any]:
    """Fails at its first attempt."""
    if get_task_context().get_retry_count() == 0:
        raise RuntimeError("not the first time")
    return {"attempt": get_task_context().get_retry_count() + 1}
