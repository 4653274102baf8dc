"""Rights, roles, searches and trials, as the SDK asks for them, against a real server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conductor.client.http.api.task_resource_api import TaskResourceApi
from conductor.client.http.api_client import ApiClient
from conductor.client.http.models.create_or_update_application_request import CreateOrUpdateApplicationRequest
from conductor.client.http.models.create_or_update_role_request import CreateOrUpdateRoleRequest
from conductor.client.http.models.subject_ref import SubjectRef, SubjectType
from conductor.client.http.models.target_ref import TargetRef, TargetType
from conductor.client.http.models.upsert_group_request import UpsertGroupRequest
from conductor.client.http.models.workflow_def import WorkflowDef
from conductor.client.http.models.workflow_task import WorkflowTask
from conductor.client.http.models.workflow_test_request import TaskMock, WorkflowTestRequest
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


@pytest.fixture(scope="module")
def clients(server: ServerProcess) -> OrkesClients:
    return OrkesClients(configuration=configuration(server, "ADMIN"))


def test_grants(clients: OrkesClients, server: ServerProcess) -> None:
    """As the authorization client gives and shows them; what they open, and what not."""
    people, metadata = clients.get_authorization_client(), clients.get_metadata_client()
    for name in ("granted", "tagged", "kept"):
        task = WorkflowTask(name=f"{name}_task", task_reference_name="t", type="SIMPLE")
        metadata.register_workflow_def(WorkflowDef(name=name, version=1, tasks=[task], timeout_seconds=0))
        clients.get_workflow_client().start_workflow_by_name(name, {})
    metadata.add_workflow_tag(MetadataTag("team", "red"), "tagged")
    user, limited = limited_clients(server)
    subject = SubjectRef(SubjectType.USER, user)
    workflow, tag = TargetRef(TargetType.WORKFLOW_DEF, "granted"), TargetRef(TargetType.TAG, "team:red")
    people.grant_permissions(subject, workflow, [AccessType.READ, AccessType.EXECUTE])
    people.grant_permissions(subject, tag, [AccessType.READ])
    people.grant_permissions(subject, TargetRef(TargetType.TASK_DEF, "granted_task"), [AccessType.EXECUTE])
    granted = {access: [ref.id for ref in refs] for access, refs in people.get_permissions(workflow).items()}
    assert granted == {"EXECUTE": [user], "READ": [user]}
    shown = {(each.target.type, each.target.id): each.access for each in people.get_granted_permissions_for_user(user)}
    assert shown["WORKFLOW_DEF", "granted"] == ["READ", "EXECUTE"]
    assert shown["TAG", "team:red"] == shown["WORKFLOW_DEF", "tagged"] == ["READ"]
    assert people.check_permissions(user, "WORKFLOW_DEF", "granted") == {
        "CREATE": False, "READ": True, "UPDATE": False, "DELETE": False, "EXECUTE": True,
    }  # fmt: skip

    assert {each.name for each in limited.get_metadata_client().get_all_workflow_defs()} == {"granted", "tagged"}
    workflows, tasks = limited.get_workflow_client(), limited.get_task_client()
    execution_id = workflows.start_workflow_by_name("granted", {})
    assert workflows.get_workflow(execution_id).status == "RUNNING"
    found = {summary.workflow_type for summary in workflows.search().results}
    assert found == {"granted", "tagged"}
    assert len(tasks.batch_poll_tasks("granted_task", "w", 5)) == 2
    for refused in (
        lambda: workflows.start_workflow_by_name("tagged", {}),
        lambda: workflows.start_workflow_by_name("kept", {}),
        lambda: limited.get_metadata_client().get_workflow_def("kept"),
        lambda: tasks.poll_task("kept_task"),
        lambda: limited.get_authorization_client().get_permissions(workflow),
    ):
        assert refusal(refused) == 403
    people.remove_permissions(subject, workflow, [AccessType.EXECUTE])
    assert refusal(lambda: workflows.start_workflow_by_name("granted", {})) == 403
    audit = server.api.get("/api/tidemill/audit", principal=user)
    assert {entry["action"] for entry in audit if entry["outcome"] == "refused"} >= {"workflow.start", "task.poll"}


def test_default_access_and_custom_roles(clients: OrkesClients) -> None:
    people = clients.get_authorization_client()
    rights = {"WORKFLOW_DEF": ["READ", "EXECUTE"]}
    group = people.upsert_group(UpsertGroupRequest(description="Writers", roles=[], default_access=rights), "writers")
    assert group.default_access == rights
    people.grant_permissions(
        SubjectRef(SubjectType.GROUP, "writers"), TargetRef(TargetType.SECRET_NAME, "crm"), [AccessType.EXECUTE]
    )
    (granted,) = people.get_granted_permissions_for_group("writers")
    assert (granted.target.type, granted.target.id, granted.access) == ("SECRET_NAME", "crm", ["EXECUTE"])
    people.create_role(CreateOrUpdateRoleRequest(name="STARTER", permissions=["EXECUTE_WORKFLOW_DEF"]))
    assert "EXECUTE_WORKFLOW_DEF" in people.list_available_permissions()
    assert "STARTER" in {role.name for role in people.list_custom_roles()}
    application = people.create_application(CreateOrUpdateApplicationRequest(name="starter")).id
    people.add_role_to_application_user(application, "STARTER")
    user = f"app:{application}"
    assert people.check_permissions(user, "WORKFLOW_DEF", "any")["EXECUTE"] is True
    people.update_role("STARTER", CreateOrUpdateRoleRequest(name="STARTER", permissions=["READ_WORKFLOW_DEF"]))
    assert people.check_permissions(user, "WORKFLOW_DEF", "any")["EXECUTE"] is False
    people.remove_role_from_application_user(application, "STARTER")
    people.delete_role("STARTER")
    assert "STARTER" not in {role.name for role in people.list_all_roles()}
    people.delete_group("writers")


def limited_clients(server: ServerProcess) -> tuple[str, OrkesClients]:
    """(as whom they act, clients of a worker that has no rights yet)"""
    settings = configuration(server, "WORKER")
    clients = OrkesClients(configuration=settings)
    return clients.get_authorization_client().get_user_info_from_token()["id"], clients


def refusal(call: Callable[[], Any]) -> int:
    with pytest.raises(ApiException) as refused:
        call()
    return int(refused.value.status or 0)


def test_searching_for_tasks(clients: OrkesClients, server: ServerProcess) -> None:
    """No client of `OrkesClients` has it: the resource itself."""
    tasks = TaskResourceApi(ApiClient(configuration=clients.configuration))
    task = WorkflowTask(name="sought", task_reference_name="sought_ref", type="SIMPLE")
    definition = WorkflowDef(name="sought", version=1, tasks=[task], timeout_seconds=0)
    clients.get_metadata_client().register_workflow_def(definition)
    workflow_id = clients.get_workflow_client().start_workflow_by_name("sought", {})
    query = f"workflowId = {workflow_id} AND status = SCHEDULED"
    found = tasks.search1(query=query, sort="startTime:DESC", free_text="*")
    assert [(line.workflow_id, line.task_type) for line in found.results] == [(workflow_id, "sought")]
    (whole,) = tasks.search_v21(query=query).results
    assert (whole.workflow_instance_id, whole.reference_task_name) == (workflow_id, "sought_ref")
    found = server.api.get("/api/workflow/search", sort="workflowType:ASC", size=500)["results"]
    names = [line["workflowType"] for line in found]
    assert names == sorted(names)


def test_a_workflow_is_tried_with_mocks(clients: OrkesClients) -> None:
    step = WorkflowTask(name="tried_task", task_reference_name="t", type="SIMPLE", input_parameters={"a": 1})
    double = WorkflowTask(
        name="double", task_reference_name="d", type="INLINE",
        input_parameters={"n": "${t.output.n}", "evaluatorType": "graaljs", "expression": "$.n * 2"},
    )  # fmt: skip
    definition = WorkflowDef(
        name="tried", version=1, tasks=[step, double], timeout_seconds=0, output_parameters={"m": "${d.output.result}"}
    )
    mock = TaskMock(status="COMPLETED", output={"n": 21}, execution_time=1000)
    request = WorkflowTestRequest(
        name="tried", version=1, workflow_def=definition, task_ref_to_mock_output={"t": [mock]}, input={}
    )
    workflows = clients.get_workflow_client()
    ran = workflows.test_workflow(request)
    assert (ran.status, ran.output) == ("COMPLETED", {"m": 42})
    assert [(task.reference_task_name, task.status) for task in ran.tasks] == [("t", "COMPLETED"), ("d", "COMPLETED")]
    assert refusal(lambda: workflows.get_workflow(ran.workflow_id)) == 404
