"""The real `conductor-python` SDK against a real server: what its users do on their first day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from conductor.client.automator.task_handler import TaskHandler
from conductor.client.configuration.configuration import Configuration
from conductor.client.configuration.settings.authentication_settings import AuthenticationSettings
from conductor.client.http.api.event_resource_api import EventResourceApi
from conductor.client.http.api_client import ApiClient
from conductor.client.http.models.action import Action
from conductor.client.http.models.event_handler import EventHandler
from conductor.client.http.models.rerun_workflow_request import RerunWorkflowRequest
from conductor.client.http.models.skip_task_request import SkipTaskRequest
from conductor.client.http.models.start_workflow import StartWorkflow
from conductor.client.http.models.start_workflow_request import StartWorkflowRequest
from conductor.client.http.models.task_def import TaskDef
from conductor.client.http.models.workflow import Workflow
from conductor.client.http.rest import ApiException, AuthorizationException
from conductor.client.orkes_clients import OrkesClients
from conductor.client.workflow.conductor_workflow import ConductorWorkflow
from conductor.client.workflow.task.do_while_task import LoopTask
from conductor.client.workflow.task.event_task import EventTaskInterface
from conductor.client.workflow.task.javascript_task import JavascriptTask
from conductor.client.workflow.task.simple_task import SimpleTask
from conductor.client.workflow.task.sub_workflow_task import InlineSubWorkflowTask
from conductor.client.workflow.task.wait_task import WaitTask
from confluent_kafka import Consumer, Producer

from tests.parts.server import mark, wait_for
from tidemill.cli.demo.process import ServerProcess

# What the SDK leaves behind (clients that nobody closes) is not ours to fail for.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def configuration(server: ServerProcess, *roles: str) -> Configuration:
    """As an application with these roles, by an access key made over the API."""
    application = server.api.post("/api/applications", {"name": f"sdk-{mark()}"})
    for role in roles:
        server.api.post(f"/api/applications/{application['id']}/roles/{role}")
    key = server.api.post(f"/api/applications/{application['id']}/accessKeys")
    settings = AuthenticationSettings(key_id=key["id"], key_secret=key["secret"])
    return Configuration(base_url=server.url, authentication_settings=settings)


@pytest.fixture(scope="module")
def admin(server: ServerProcess) -> Configuration:
    return configuration(server, "ADMIN")


@pytest.fixture(scope="module")
def clients(admin: Configuration) -> OrkesClients:
    return OrkesClients(configuration=admin)


@pytest.fixture(scope="module")
def workers(admin: Configuration) -> Iterator[TaskHandler]:
    handler = TaskHandler(
        configuration=admin, scan_for_annotated_workers=True, import_modules=["tests.acceptance.sdk_workers"]
    )
    handler.start_processes()
    yield handler
    handler.stop_processes()


def finished(clients: OrkesClients, workflow_id: str) -> Workflow:
    def ended() -> Workflow | None:
        workflow = clients.get_workflow_client().get_workflow(workflow_id, include_tasks=True)
        return workflow if workflow.status != "RUNNING" else None

    workflow: Workflow = wait_for(ended)
    return workflow


def waiting_workflow(clients: OrkesClients) -> ConductorWorkflow:
    """Registered; stays at its WAIT task."""
    workflow = ConductorWorkflow(clients.get_workflow_executor(), f"waits-{mark()}", version=1)
    workflow >> WaitTask("hold")
    workflow.register(overwrite=True)
    return workflow


def test_hello_world_by_a_decorated_worker(clients: OrkesClients, workers: TaskHandler) -> None:
    executor = clients.get_workflow_executor()
    workflow = ConductorWorkflow(executor, name=f"hello-{mark()}", version=1)
    greet = SimpleTask("sdk_greet", "greet_ref")
    greet.input_parameters.update({"name": workflow.input("name")})
    workflow >> greet
    workflow.output_parameters({"said": greet.output("greeting")})
    workflow.register(overwrite=True)

    workflow_id = executor.start_workflow(
        StartWorkflowRequest(name=workflow.name, version=1, input={"name": "Ada"}, correlation_id="c-1")
    )
    ended = finished(clients, workflow_id)
    assert (ended.status, ended.reason_for_incompletion) == ("COMPLETED", None)
    assert ended.output == {"said": "Hello Ada"}
    (task,) = ended.tasks
    assert (task.task_def_name, task.reference_task_name, task.status) == ("sdk_greet", "greet_ref", "COMPLETED")
    logs = clients.get_task_client().get_task_logs(task.task_id)
    assert [line.log for line in logs] == ["greeting Ada"]
    assert clients.get_metadata_client().get_task_def("sdk_greet").name == "sdk_greet"


def test_a_workflow_of_forks_loops_and_workflows_runs_without_being_registered(clients: OrkesClients) -> None:
    executor = clients.get_workflow_executor()
    inner = ConductorWorkflow(executor, name=f"inner-{mark()}", version=1) >> JavascriptTask("double", "$.n * 2", {
        "n": "${workflow.input.n}"
    })  # fmt: skip
    workflow = ConductorWorkflow(executor, name=f"outer-{mark()}", version=1)
    workflow >> [JavascriptTask("one", "1"), JavascriptTask("two", "2")]
    workflow >> LoopTask("loop", 3, [JavascriptTask("count", "$.n", {"n": "${loop.output.iteration}"})])
    workflow >> InlineSubWorkflowTask("child", inner).input(key="n", value="${count.output.result}")
    workflow.output_parameters(
        {"sum": ["${one.output.result}", "${two.output.result}"], "child": "${child.output.result}"}
    )

    run = workflow.execute(wait_for_seconds=30)
    assert (run.status, run.output) == ("COMPLETED", {"sum": [1, 2], "child": 6})
    ended = clients.get_workflow_client().get_workflow(run.workflow_id, include_tasks=True)
    names = {
        task.reference_task_name for task in ended.tasks if not task.reference_task_name.startswith(("fork", "join"))
    }
    assert names == {"one", "two", "loop", "count__1", "count__2", "count__3", "child"}
    (child,) = [task for task in ended.tasks if task.task_type == "SUB_WORKFLOW"]
    below = clients.get_workflow_client().get_workflow(child.sub_workflow_id)
    assert (below.status, below.parent_workflow_id) == ("COMPLETED", run.workflow_id)
    with pytest.raises(ApiException) as missing:
        clients.get_metadata_client().get_workflow_def(workflow.name)
    assert missing.value.status == 404


def test_failed_attempt_is_retried(clients: OrkesClients, workers: TaskHandler) -> None:
    metadata = clients.get_metadata_client()
    metadata.register_task_def(TaskDef(name="sdk_flaky", retry_count=2, retry_delay_seconds=0, retry_logic="FIXED"))
    workflow = ConductorWorkflow(clients.get_workflow_executor(), f"flaky-{mark()}", version=1)
    workflow >> SimpleTask("sdk_flaky", "flaky_ref")
    workflow.register(overwrite=True)
    ended = finished(clients, workflow.start_workflow_with_input({}))
    assert ended.status == "COMPLETED"
    assert [(task.status, task.retry_count) for task in ended.tasks] == [("FAILED", 0), ("COMPLETED", 1)]


def test_poll_and_update_by_hand(clients: OrkesClients) -> None:
    kind = f"manual_{mark()}"
    workflow = ConductorWorkflow(clients.get_workflow_executor(), f"manual-{mark()}", version=1)
    workflow >> SimpleTask(kind, "manual_ref") >> SimpleTask(kind, "again_ref")
    workflow.register(overwrite=True)
    workflow_id = workflow.start_workflow_with_input({"x": 1})
    tasks = clients.get_task_client()
    assert tasks.get_queue_size_for_task(kind) == 1
    polled = tasks.poll_task(kind, worker_id="me")
    assert polled.workflow_instance_id == workflow_id
    tasks.add_task_log(polled.task_id, 'a "quoted" line')
    assert tasks.get_task(polled.task_id).status == "IN_PROGRESS"
    clients.get_workflow_executor().update_task(polled.task_id, workflow_id, {"done": True}, "COMPLETED")
    tasks.update_task_by_ref_name(workflow_id, "again_ref", "COMPLETED", {"by": "ref"})
    ended = finished(clients, workflow_id)
    assert [task.output_data for task in ended.tasks] == [{"done": True}, {"result": {"by": "ref"}}]
    assert tasks.batch_poll_tasks(kind, worker_id="me", count=5, timeout_in_millisecond=10) == []


def test_what_a_script_logs(clients: OrkesClients) -> None:
    workflow = ConductorWorkflow(clients.get_workflow_executor(), f"logs-{mark()}", version=1)
    workflow >> JavascriptTask("script", "console.log('seen', $.n); $.n + 1", {"n": 1})
    workflow.register(overwrite=True)
    ended = finished(clients, workflow.start_workflow_with_input({}))
    assert ended.tasks[0].output_data == {"result": 2}
    logs = clients.get_task_client().get_task_logs(ended.tasks[0].task_id)
    assert [line.log for line in logs] == ["seen 1"]


def test_look_search_steer_and_terminate(clients: OrkesClients) -> None:
    workflow = waiting_workflow(clients)
    client = clients.get_workflow_client()
    correlation = f"c-{mark()}"
    request = StartWorkflowRequest(name=workflow.name, version=1, input={}, correlation_id=correlation)
    workflow_id = client.start_workflow(request)
    by_name = client.start_workflow_by_name(workflow.name, {"a": 1}, version=1, correlationId=correlation)

    client.update_variables(workflow_id, {"colour": "red"})
    status = client.get_workflow_status(workflow_id, include_output=True, include_variables=True)
    assert (status.status, status.variables) == ("RUNNING", {"colour": "red"})
    found = client.search(query=f"workflowType = {workflow.name} AND status = RUNNING", free_text="*", size=10)
    assert {each.workflow_id for each in found.results} == {workflow_id, by_name}
    correlated = client.get_by_correlation_ids(workflow.name, [correlation], include_completed=True)
    assert {each.workflow_id for each in correlated[correlation]} == {workflow_id, by_name}

    client.terminate_workflow(workflow_id, reason="enough")
    ended = client.get_workflow(workflow_id)
    assert (ended.status, ended.reason_for_incompletion) == ("TERMINATED", "enough")
    with pytest.raises(ApiException) as conflict:
        client.terminate_workflow(workflow_id)
    assert conflict.value.status == 409


def test_idempotency_key_is_enforced(clients: OrkesClients) -> None:
    workflow = waiting_workflow(clients)
    client = clients.get_workflow_client()

    def request(strategy: str) -> StartWorkflowRequest:
        return StartWorkflowRequest(
            name=workflow.name, version=1, input={}, idempotency_key="once", idempotency_strategy=strategy
        )

    first = client.start_workflow(request("RETURN_EXISTING"))
    assert client.start_workflow(request("RETURN_EXISTING")) == first
    with pytest.raises(ApiException) as conflict:
        client.start_workflow(request("FAIL"))
    assert conflict.value.status == 409


def test_bad_definition_tells_all_at_once(clients: OrkesClients) -> None:
    task = {"name": "a", "taskReferenceName": "a", "type": "SIMPEL"}
    with pytest.raises(ApiException) as refused:
        clients.get_metadata_client().register_workflow_def({"name": "", "tasks": [task], "taks": []}, overwrite=True)
    assert refused.value.status == 400
    for expected in ("SIMPEL", "taks", "name"):
        assert expected in str(refused.value.body)


def test_definitions_by_the_metadata_client(clients: OrkesClients) -> None:
    metadata = clients.get_metadata_client()
    workflow = waiting_workflow(clients)
    assert metadata.get_workflow_def(workflow.name).name == workflow.name
    assert workflow.name in {each.name for each in metadata.get_all_workflow_defs()}
    metadata.unregister_workflow_def(workflow.name, 1)
    with pytest.raises(ApiException) as gone:
        metadata.get_workflow_def(workflow.name)
    assert gone.value.status == 404
    name = f"task-{mark()}"
    metadata.register_task_def(TaskDef(name=name, retry_count=1))
    metadata.update_task_def(TaskDef(name=name, retry_count=7))
    assert metadata.get_task_def(name).retry_count == 7
    metadata.unregister_task_def(name)


def test_a_record_starts_a_workflow_which_publishes(
    server: ServerProcess, clients: OrkesClients, admin: Configuration
) -> None:
    """The integration by a plain dict: the SDK's own model has no message brokers."""
    name = f"shop-{mark()}"
    body = {
        "type": "embedded",
        "category": "MESSAGE_BROKER",
        "enabled": True,
        "configuration": {"protocol": "JSON", "groupId": f"group-{name}"},
    }
    clients.get_integration_client().save_integration(name, body)
    workflow = ConductorWorkflow(clients.get_workflow_executor(), f"answer-{mark()}", version=1)
    publish = EventTaskInterface("publish_ref", "kafka", f"{name}:answers")
    publish.input_parameters.update({"order": workflow.input("order")})
    workflow >> publish
    workflow.register(overwrite=True)
    handlers = EventResourceApi(ApiClient(admin))
    event = f"kafka:{name}:orders"
    action = Action(
        action="start_workflow",
        start_workflow=StartWorkflow(name=workflow.name, version=1, input={"order": "${order}"}),
    )
    handlers.add_event_handler(
        EventHandler(
            name=f"take-{name}",
            event=event,
            condition="$.order > 1",
            evaluator_type="javascript",
            actions=[action],
            active=True,
        )
    )
    assert [each.name for each in handlers.get_event_handlers_for_event(event)] == [f"take-{name}"]

    address = server.api.post(f"/api/tidemill/integrations/{name}/test")["address"]
    places = send_orders(address, (1, 2))
    assert consume_one(address, "answers")["order"] == 2

    def traced(offset_of: int) -> dict[str, Any]:
        partition, offset = places[offset_of]
        found: dict[str, Any] = server.api.get(f"/api/tidemill/trace/{name}/orders/{partition}/{offset}")
        return found

    wait_for(lambda: traced(1)["routes"] and traced(1)["routes"][0]["executions"][0]["status"] == "COMPLETED")
    (route,) = traced(1)["routes"]
    (task,) = route["executions"][0]["tasks"]
    assert (route["outcome"], task["publication"]["topic"]) == ("done", "answers")
    assert traced(0)["routes"][0]["outcome"] == "filtered"
    monitor = server.api.get(f"/api/event/execution/kafka%3A{name}%3Aorders")
    assert {each["status"]: each["payload"] for each in monitor} == {"COMPLETED": {"order": 2}, "SKIPPED": {"order": 1}}
    handlers.remove_event_handler_status(f"take-{name}")
    assert handlers.get_event_handlers_for_event(event) == []


def send_orders(address: str, orders: tuple[int, ...]) -> list[tuple[int | None, int | None]]:
    """Partition and offset of each, in order: they share a key and so a partition."""
    producer = Producer({"bootstrap.servers": address})
    places: list[tuple[int | None, int | None]] = []
    for order in orders:
        producer.produce(
            "orders",
            f'{{"order": {order}}}'.encode(),
            key=b"k",
            on_delivery=lambda error, message: places.append((message.partition(), message.offset())),
        )
    assert producer.flush(20) == 0
    return places


def consume_one(address: str, topic: str) -> dict[str, Any]:
    consumer = Consumer(
        {"bootstrap.servers": address, "group.id": f"far-end-{mark()}", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    try:
        message = wait_for(lambda: (got := consumer.poll(1.0)) is not None and got.error() is None and got)
        found: dict[str, Any] = json.loads(message.value())
        return found
    finally:
        consumer.close()


def test_access_keys_by_the_authorization_client(server: ServerProcess, clients: OrkesClients) -> None:
    authorization = clients.get_authorization_client()
    application = authorization.create_application({"name": f"made-{mark()}"})
    authorization.add_role_to_application_user(application.id, "USER_READ_ONLY")
    key = authorization.create_access_key(application.id)
    settings = AuthenticationSettings(key_id=key.id, key_secret=key.secret)
    reader = OrkesClients(configuration=Configuration(base_url=server.url, authentication_settings=settings))
    reader.get_metadata_client().get_all_workflow_defs()
    with pytest.raises(AuthorizationException):
        reader.get_metadata_client().register_task_def(TaskDef(name="never"))
    assert [(each.id, each.status) for each in authorization.get_access_keys(application.id)] == [(key.id, "ACTIVE")]
    assert authorization.toggle_access_key_status(application.id, key.id).status == "INACTIVE"
    with pytest.raises(AuthorizationException):
        reader.get_metadata_client().get_all_workflow_defs()
    authorization.delete_access_key(application.id, key.id)
    authorization.delete_application(application.id)
    assert application.id not in {each.id for each in authorization.list_applications()}


def test_what_is_done_to_a_running_execution_and_to_one_that_has_ended(clients: OrkesClients) -> None:
    executor, workflows = clients.get_workflow_executor(), clients.get_workflow_client()
    workflow = ConductorWorkflow(executor, f"steps-{mark()}", version=1)
    workflow >> WaitTask("first") >> SimpleTask("nobody", "second") >> WaitTask("third")
    workflow.register(overwrite=True)
    run = executor.execute(workflow.name, 1, {"n": 1}, wait_for_seconds=60)
    assert (run.status, [task.reference_task_name for task in run.tasks]) == ("RUNNING", ["first"])

    def now() -> tuple[str, list[tuple[str, str]]]:
        found = workflows.get_workflow(run.workflow_id, include_tasks=True)
        return found.status, [(task.reference_task_name, task.status) for task in found.tasks]

    workflows.pause_workflow(run.workflow_id)
    clients.get_task_client().update_task_by_ref_name(run.workflow_id, "first", "COMPLETED", {})
    assert now() == ("PAUSED", [("first", "COMPLETED")])
    workflows.skip_task_from_workflow(run.workflow_id, "second", SkipTaskRequest(task_output={"n": 2}))
    workflows.resume_workflow(run.workflow_id)
    assert now() == ("RUNNING", [("first", "COMPLETED"), ("second", "SKIPPED"), ("third", "IN_PROGRESS")])
    workflows.terminate_workflow(run.workflow_id, reason="enough")
    workflows.retry_workflow(run.workflow_id)
    assert now()[1][-2:] == [("third", "CANCELED"), ("third", "IN_PROGRESS")]
    with pytest.raises(ApiException) as refused:
        workflows.restart_workflow(run.workflow_id)
    assert refused.value.status == 409
    workflows.terminate_workflow(run.workflow_id)
    workflows.rerun_workflow(run.workflow_id, RerunWorkflowRequest(re_run_from_task_id=f"{run.workflow_id}.1"))
    assert now() == ("RUNNING", [("first", "IN_PROGRESS")])
    workflows.terminate_workflow(run.workflow_id)
    workflows.restart_workflow(run.workflow_id, use_latest_def=True)
    assert now() == ("RUNNING", [("first", "IN_PROGRESS")])
    workflows.terminate_workflow(run.workflow_id)


def test_known_and_not_built_says_so(clients: OrkesClients) -> None:
    with pytest.raises(ApiException) as refused:
        clients.get_scheduler_client().get_all_schedules()
    assert refused.value.status == 501
    assert "not yet supported" in str(refused.value.body)
