"""A user's program with a worker of the SDK: `python -m tests.acceptance.sdk_team URL KEY SECRET` works until it is
killed. Each task that it is handed is a line of its output.

The SDK reads the annotations as types, so they must not be postponed.
"""

import os
import sys
from typing import Any

from conductor.client.automator.task_handler import TaskHandler
from conductor.client.configuration.configuration import Configuration
from conductor.client.configuration.settings.authentication_settings import AuthenticationSettings
from conductor.client.context.task_context import get_task_context
from conductor.client.worker.worker_task import worker_task

TASK = "team_step"


@worker_task(task_definition_name=TASK, poll_interval_millis=20, thread_count=4)  # type: ignore[untyped-decorator]
def step() -> dict[str, Any]:
    os.write(sys.stdout.fileno(), f"{get_task_context().get_task_id()}\n".encode())  # at once, and whole
    return {}


def main() -> None:
    url, key, secret = sys.argv[1:]
    settings = AuthenticationSettings(key_id=key, key_secret=secret)
    handler = TaskHandler(configuration=Configuration(base_url=url, authentication_settings=settings))
    handler.start_processes()
    handler.join_processes()


if __name__ == "__main__":
    main()
