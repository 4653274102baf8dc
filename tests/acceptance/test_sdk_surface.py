"""Every method of the SDK's clients against a real server: it behaves, or the answer says in a sentence why not."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from conductor.client.configuration.configuration import Configuration
from conductor.client.http.api.event_resource_api import EventResourceApi
from conductor.client.http.api_client import ApiClient
from conductor.client.http.models.action import Action
from conductor.client.http.models.authentication_config import AuthenticationConfig
from conductor.client.http.models.correlation_ids_search_request import CorrelationIdsSearchRequest
from conductor.client.http.models.create_or_update_application_request import CreateOrUpdateApplicationRequest
from conductor.client.http.models.create_or_update_role_request import CreateOrUpdateRoleRequest
from conductor.client.http.models.event_handler import EventHandler
from conductor.client.http.models.rerun_workflow_request import RerunWorkflowRequest
from conductor.client.http.models.save_schedule_request import SaveScheduleRequest
from conductor.client.http.models.schema_def import SchemaDef, SchemaType
from conductor.client.http.models.skip_task_request import SkipTaskRequest
from conductor.client.http.models.start_workflow import StartWorkflow
from conductor.client.http.models.start_workflow_request import StartWorkflowRequest
from conductor.client.http.models.subject_ref import SubjectRef, SubjectType
from conductor.client.http.models.target_ref import TargetRef, TargetType
from conductor.client.http.models.task_def import TaskDef
from conductor.client.http.models.task_result import TaskResult
from conductor.client.http.models.upsert_group_request import UpsertGroupRequest
from conductor.client.http.models.upsert_user_request import UpsertUserRequest
from conductor.client.http.models.workflow_def import WorkflowDef
from conductor.client.http.models.workflow_state_update import WorkflowStateUpdate
from conductor.client.http.models.workflow_task import WorkflowTask
from conductor.client.http.models.workflow_test_request import WorkflowTestRequest
from conductor.client.http.rest import ApiException
from conductor.client.orkes.models.access_type import AccessType
from conductor.client.orkes.models.metadata_tag import MetadataTag
from conductor.client.orkes_clients import OrkesClients

from tests.acceptance.test_sdk import configuration
from tidemill.cli.demo.process import ServerProcess

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NOT_BUILT = {
    "get_metadata_client": "setWorkflowRateLimit",
    "get_workflow_client": "",
    "get_task_client": "",
    "get_integration_client": "associate_prompt_with_integration delete_integration_api delete_tag_for_integration "
    "get_integration_api get_integration_available_apis get_prompts_with_integration get_tags_for_integration "
    "get_token_usage_for_integration get_token_usage_for_integration_provider put_tag_for_integration "
    "save_integration_api",
    "get_secret_client": "get_secret",
    "get_schema_client": "",
    "get_prompt_client": "delete_prompt delete_tag_for_prompt_template get_prompt get_prompts "
    "get_tags_for_prompt_template save_prompt test_prompt update_tag_for_prompt_template",
    "get_scheduler_client": "delete_schedule delete_scheduler_tags get_all_schedules "
    "get_next_few_schedule_execution_times get_schedule get_scheduler_tags pause_all_schedules pause_schedule "
    "requeue_all_execution_records resume_all_schedules resume_schedule save_schedule search_schedule_executions "
    "set_scheduler_tags",
    "get_authorization_client": "create_gateway_auth_config delete_gateway_auth_config get_gateway_auth_config "
    "list_gateway_auth_configs update_gateway_auth_config",
}
"""Of each client the methods that answer 501. All others behave, but for those that come too early or too late here:"""
REFUSED = {
    "rerun_workflow": 409,
    "restart_workflow": 409,
    "retry_workflow": 409,
    "skip_task_from_workflow": 409,
    "delete_workflow": 409,
    "remove_workflow": 409,
    "save_integration": 400,
    "add_user_to_group": 404,
    "add_users_to_group": 404,
    "remove_user_from_group": 404,
    "remove_users_from_group": 404,
    "remove_role_from_application_user": 404,
}
OF_AGENTS = {"reconcile", "run_now", "preview_next", "pause", "resume", "delete"}
"""Methods that only call others of the same client, for another product."""
BROKEN = {"get_integration_provider_defs"}
"""The SDK lacks the model that it wants to read the answer into."""
BEGINNINGS = ("register", "save", "put", "create", "upsert", "set", "add", "start")
ENDINGS = ("delete", "remove", "unregister", "terminate")

TASK = WorkflowTask(name="surface", task_reference_name="surface_ref", type="SIMPLE")
WORKFLOW = WorkflowDef(name="surface", version=1, tasks=[TASK], timeout_seconds=0)
START = StartWorkflowRequest(name="surface", version=1)
KAFKA = {"type": "kafka", "category": "MESSAGE_BROKER", "enabled": False, "configuration": {}}
HANDLER = EventHandler(
    name="surface",
    event="kafka:surface:orders",
    active=False,
    actions=[Action(action="start_workflow", start_workflow=StartWorkflow(name="surface"))],
)


class World:
    """What the calls work on: each thing there is, under the names that the SDK's parameters have."""

    def __init__(self, server: ServerProcess, admin: Configuration) -> None:
        self.clients = OrkesClients(configuration=admin)
        self.clients.get_metadata_client().register_workflow_def(WORKFLOW)
        self.clients.get_metadata_client().register_task_def(TaskDef(name="surface"))
        server.api.post("/api/integrations/provider/surface", {**KAFKA, "type": "embedded"})
        self.clients.get_secret_client().put_secret("surface", "hunter2")
        self.clients.get_schema_client().register_schema(SchemaDef(name="surface", version=2, type=SchemaType.JSON))
        self.application = server.api.post("/api/applications", {"name": "surface"})["id"]
        self.key = server.api.post(f"/api/applications/{self.application}/accessKeys")
        self.workflow_id = self.clients.get_workflow_client().start_workflow(START)
        self.given = {**plain_arguments(), **self._ids(), **request_bodies()}

    def argument(self, name: str) -> Any:
        return self.given[name]

    def _ids(self) -> dict[str, Any]:
        task_id = f"{self.workflow_id}.1"
        return {
            "workflow_id": self.workflow_id,
            "task_id": task_id,
            "task_result": TaskResult(workflow_instance_id=self.workflow_id, task_id=task_id, status="IN_PROGRESS"),
            "application_id": self.application,
            "key_id": self.key["id"],
            "access_key_id": self.key["id"],
            "key_secret": self.key["secret"],
        }


def plain_arguments() -> dict[str, Any]:
    named = (
        "name taskName workflowName workflow_name task_type key schema_name integration_name ai_integration "
        "tag_name prompt_name model_name api_name registry_name service_name group_id user_id target_id"
    )
    return dict.fromkeys(named.split(), "surface") | {
        "tag": MetadataTag("team", "red"),
        "tags": [MetadataTag("team", "red")],
        "body": [MetadataTag("team", "red")],
        "target": TargetRef(TargetType.WORKFLOW_DEF, "surface"),
        "target_type": "WORKFLOW_DEF",
        "subject": SubjectRef(SubjectType.USER, "admin"),
        "access": [AccessType.READ],
        "version": 1,
        "value": "hunter2",
        "role": "WORKER",
        "role_name": "surface",
        "config_id": "surface",
        "user_ids": ["admin"],
        "rateLimit": 5,
        "input": {},
        "output": {},
        "message": {},
        "status": "IN_PROGRESS",
        "task_ref_name": "surface_ref",
        "task_reference_name": "surface_ref",
        "correlation_ids": ["c"],
        "log_message": 'says "hi"',
        "cron_expression": "0 0 * * * *",
        "description": "text",
        "prompt_template": "text",
        "prompt_text": "text",
        "variables": {},
        "text_complete_model": "model",
        "filename": "a.proto",
        "data": b"proto",
        "method_type": "GRPC",
    }


def request_bodies() -> dict[str, Any]:
    return {
        "workflow_def": WORKFLOW,
        "task_def": TaskDef(name="surface"),
        "schema": SchemaDef(name="surface", version=1, type=SchemaType.JSON, data={"type": "object"}),
        "start_workflow_request": START,
        "batch_request": CorrelationIdsSearchRequest(correlation_ids=["c"], workflow_names=["surface"]),
        "rerun_workflow_request": RerunWorkflowRequest(),
        "request": SkipTaskRequest(),
        "test_request": WorkflowTestRequest(name="surface", version=1, workflow_def=WORKFLOW),
        "update_requesst": WorkflowStateUpdate(),
        "integration_details": KAFKA,
        "api_details": {},
        "save_schedule_request": SaveScheduleRequest(
            name="surface", cron_expression="0 0 * * * *", start_workflow_request=START
        ),
        "create_or_update_application_request": CreateOrUpdateApplicationRequest(name="surface"),
        "create_role_request": CreateOrUpdateRoleRequest(name="surface", permissions=[]),
        "update_role_request": CreateOrUpdateRoleRequest(name="surface", permissions=[]),
        "upsert_user_request": UpsertUserRequest(name="Surface", roles=["USER"]),
        "upsert_group_request": UpsertGroupRequest(description="Surface", roles=["USER"]),
        "auth_config": AuthenticationConfig(),
    }


@pytest.fixture
def world(server: ServerProcess) -> Iterator[World]:
    yield World(server, configuration(server, "ADMIN"))


def methods_of(client: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """First those that make something, then those that read it, at last those that end it."""
    public = [
        (name, method)
        for name, method in inspect.getmembers(client, inspect.ismethod)
        if not name.startswith("_") and name not in OF_AGENTS | BROKEN
    ]
    return iter(sorted(public, key=lambda item: _order(item[0])))


def _order(name: str) -> tuple[bool, bool, bool, str]:
    """Tags go before the thing that they hang on."""
    return name.startswith(ENDINGS), not name.startswith(BEGINNINGS), "tag" not in name.lower(), name


def problem(world: World, method: Callable[..., Any]) -> tuple[int, str]:
    """(status, the sentence) of the refusal; (200, "") where it behaves."""
    needed = [
        name
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.default is inspect.Parameter.empty
    ]
    try:
        method(**{name: world.argument(name) for name in needed})
    except ApiException as error:
        return int(error.status or 0), str(error.body)
    return 200, ""


@pytest.mark.parametrize("getter", NOT_BUILT)
def test_every_method_behaves_or_says_why_not(world: World, getter: str) -> None:
    client = getattr(world.clients, getter)()
    not_built = NOT_BUILT[getter].split()
    answers = {name: problem(world, method) for name, method in methods_of(client)}
    unexpected = {
        name: (status, sentence)
        for name, (status, sentence) in answers.items()
        if status != (501 if name in not_built else REFUSED.get(name, 200))
        or (status != 200 and (" " not in sentence or "Not Found" in sentence))
    }
    assert unexpected == {}
    assert set(not_built) <= answers.keys()


def test_users_and_groups(world: World, server: ServerProcess) -> None:
    """What a member may comes from its group, as long as it is in it."""
    people = world.clients.get_authorization_client()
    user = people.upsert_user(UpsertUserRequest(name="Ann", roles=[]), "ann@example.org")
    assert (user.id, user.name, user.roles) == ("ann@example.org", "Ann", [])
    password = {"password": "correct horse battery"}
    server.api.put("/api/tidemill/users/ann@example.org/password", password)
    people.upsert_group(UpsertGroupRequest(description="Operations", roles=["USER"]), "ops")
    people.add_user_to_group("ops", "ann@example.org")
    assert [each.id for each in people.get_users_in_group("ops")] == ["ann@example.org"]
    token = server.api.post("/api/token", {"email": "ann@example.org", **password})["token"]
    member = httpx.Client(base_url=server.url, headers={"X-Authorization": token})
    assert member.get("/api/token/userInfo").json()["roles"] == [{"name": "USER"}]
    assert member.get("/api/metadata/workflow").status_code == 200
    people.remove_user_from_group("ops", "ann@example.org")
    assert member.get("/api/metadata/workflow").status_code == 403
    people.delete_group("ops")
    people.delete_user("ann@example.org")
    assert "ann@example.org" not in {each.id for each in people.list_users()}
    assert member.get("/api/metadata/workflow").status_code == 401
    member.close()


def test_the_event_client(world: World) -> None:
    """No client of `OrkesClients`: the resource itself."""
    events = EventResourceApi(ApiClient(configuration=world.clients.configuration))
    events.add_event_handler(HANDLER)
    events.update_event_handler(HANDLER)
    assert [each.name for each in events.get_event_handlers()] == ["surface"]
    assert [each.name for each in events.get_event_handlers_for_event("kafka:surface:orders", active_only=False)]
    for call in (
        events.get_queue_names,
        lambda: events.get_queue_config("kafka", "surface"),
        lambda: events.put_queue_config("{}", "kafka", "surface"),
        lambda: events.delete_queue_config("kafka", "surface"),
    ):
        with pytest.raises(ApiException) as refused:
            call()
        assert refused.value.status == 501
        assert "use an integration" in str(refused.value.body)
    events.remove_event_handler_status("surface")


def test_a_secret_is_handed_to_the_worker_and_shown_to_nobody(world: World) -> None:
    task = WorkflowTask(
        name="vault",
        task_reference_name="vault_ref",
        type="SIMPLE",
        input_parameters={"auth": "Bearer ${workflow.secrets.vault}", "given": "${workflow.input.given}"},
    )
    metadata, tasks = world.clients.get_metadata_client(), world.clients.get_task_client()
    workflows = world.clients.get_workflow_client()
    metadata.register_workflow_def(WorkflowDef(name="vault", version=1, tasks=[task], timeout_seconds=0))
    world.clients.get_secret_client().put_secret("vault", 'open "sesame"')
    workflow_id = workflows.start_workflow_by_name("vault", {"given": "${workflow.secrets.vault}"})
    polled = tasks.poll_task("vault")
    assert polled.input_data == {"auth": 'Bearer open "sesame"', "given": "${workflow.secrets.vault}"}
    assert "sesame" not in str(workflows.get_workflow(workflow_id, include_tasks=True).to_dict())
    assert "sesame" not in str(tasks.get_task(polled.task_id).to_dict())
    tasks.update_task(TaskResult(workflow_instance_id=workflow_id, task_id=polled.task_id, status="COMPLETED"))
    assert workflows.get_workflow(workflow_id, include_tasks=False).status == "COMPLETED"
