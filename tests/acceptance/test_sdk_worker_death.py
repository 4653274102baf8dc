"""A worker of the SDK is killed while it holds a task: the task comes back, and another worker does it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conductor.client.orkes_clients import OrkesClients
from conductor.client.workflow.conductor_workflow import ConductorWorkflow
from conductor.client.workflow.task.simple_task import SimpleTask

from tests.acceptance.test_sdk import configuration, finished, pytestmark
from tests.parts.server import mark, wait_for
from tidemill.cli.demo.process import ServerProcess

__all__ = ["pytestmark"]

# As a user's process: it takes the task and is never heard of again.
WORKER = """
import sys, time
from conductor.client.configuration.configuration import Configuration
from conductor.client.configuration.settings.authentication_settings import AuthenticationSettings
from conductor.client.orkes_clients import OrkesClients
url, key, secret, kind = sys.argv[1:]
settings = AuthenticationSettings(key_id=key, key_secret=secret)
tasks = OrkesClients(Configuration(base_url=url, authentication_settings=settings)).get_task_client()
while (task := tasks.poll_task(kind, worker_id="doomed")) is None or not task.task_id:
    time.sleep(0.05)
print(task.task_id, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("retries", [1, 0], ids=["tried again", "no more tries"])
def test_a_worker_that_is_killed_gives_its_task_back(server: ServerProcess, retries: int) -> None:
    admin = configuration(server, "ADMIN")
    clients = OrkesClients(configuration=admin)
    kind = f"held_{mark()}"
    definition = {"name": kind, "retryCount": retries, "retryDelaySeconds": 0, "responseTimeoutSeconds": 1}
    server.api.post("/api/metadata/taskdefs", [definition])
    workflow = ConductorWorkflow(clients.get_workflow_executor(), f"held-{mark()}", version=1)
    workflow >> SimpleTask(kind, "held_ref")
    workflow.register(overwrite=True)
    workflow_id = workflow.start_workflow_with_input({})
    settings = admin.authentication_settings
    arguments = [server.url, settings.key_id, settings.key_secret, kind]
    worker = subprocess.Popen([sys.executable, "-c", WORKER, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert worker.stdout is not None
        held = worker.stdout.readline().strip()
        assert clients.get_task_client().get_task(held).status == "IN_PROGRESS"
    finally:
        worker.kill()
        worker.communicate()
    if retries:
        tasks = clients.get_task_client()
        again = wait_for(lambda: [task for task in [tasks.poll_task(kind, worker_id="alive")] if task.task_id])[0]
        assert again.retried_task_id == held
        clients.get_workflow_executor().update_task(again.task_id, workflow_id, {"done": True}, "COMPLETED")
    ended = finished(clients, workflow_id)
    assert [task.status for task in ended.tasks] == ["TIMED_OUT", *["COMPLETED"] * retries]
    assert ended.status == ("COMPLETED" if retries else "TIMED_OUT")
