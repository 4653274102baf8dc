"""Every task class of `conductor-python`: what its objects send runs, or the finding says why it does not."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conductor.client.http.api_client import ApiClient
from conductor.client.http.models.start_workflow_request import StartWorkflowRequest
from conductor.client.workflow import task as package
from conductor.client.workflow.conductor_workflow import ConductorWorkflow
from conductor.client.workflow.conductor_workflow import InlineSubWorkflowTask as WorkflowInlineSubWorkflowTask
from conductor.client.workflow.task.do_while_task import DoWhileTask, ForEachTask, LoopTask
from conductor.client.workflow.task.dynamic_fork_task import DynamicForkTask
from conductor.client.workflow.task.dynamic_task import DynamicTask
from conductor.client.workflow.task.event_task import ConductorEventTask, EventTaskInterface, SqsEventTask
from conductor.client.workflow.task.fork_task import ForkTask
from conductor.client.workflow.task.get_document import GetDocument
from conductor.client.workflow.task.http_poll_task import HttpPollInput, HttpPollTask
from conductor.client.workflow.task.http_task import HttpInput, HttpTask
from conductor.client.workflow.task.human_task import HumanTask
from conductor.client.workflow.task.inline import InlineTask
from conductor.client.workflow.task.javascript_task import JavascriptTask
from conductor.client.workflow.task.join_task import JoinTask
from conductor.client.workflow.task.json_jq_task import JsonJQTask
from conductor.client.workflow.task.kafka_publish import KafkaPublishTask
from conductor.client.workflow.task.kafka_publish_input import KafkaPublishInput
from conductor.client.workflow.task.llm_tasks import (
    call_mcp_tool,
    generate_audio,
    generate_image,
    list_mcp_tools,
    llm_chat_complete,
    llm_generate_embeddings,
    llm_index_documents,
    llm_index_text,
    llm_query_embeddings,
    llm_search_embeddings,
    llm_search_index,
    llm_store_embeddings,
    llm_text_complete,
)
from conductor.client.workflow.task.llm_tasks.utils.embedding_model import EmbeddingModel
from conductor.client.workflow.task.pull_workflow_messages_task import PullWorkflowMessagesTask
from conductor.client.workflow.task.set_variable_task import SetVariableTask
from conductor.client.workflow.task.simple_task import SimpleTask
from conductor.client.workflow.task.start_workflow_task import StartWorkflowTask
from conductor.client.workflow.task.sub_workflow_task import InlineSubWorkflowTask, SubWorkflowTask
from conductor.client.workflow.task.switch_task import SwitchTask
from conductor.client.workflow.task.task import TaskInterface
from conductor.client.workflow.task.terminate_task import TerminateTask, WorkflowStatus
from conductor.client.workflow.task.wait_for_webhook_task import WaitForWebHookTask
from conductor.client.workflow.task.wait_task import WaitForDurationTask, WaitTask, WaitUntilTask

from tests.unit.workflows.conductor.parts import compiled
from tidemill.workflows.tasks import KINDS

MODEL = EmbeddingModel("p", "m")


def simple(ref: str) -> Any:
    return SimpleTask("work", ref)


def other() -> ConductorWorkflow:
    return ConductorWorkflow(executor=None, name="other", version=1) >> simple("inner")


def with_inputs(item: Any, **inputs: Any) -> Any:
    item.input_parameters.update(inputs)
    return item


RUNNING: dict[type, Callable[[], Any]] = {
    SimpleTask: lambda: simple("t"),
    DoWhileTask: lambda: DoWhileTask("t", "$.t.iteration < 3", [simple("a"), simple("b")]),
    LoopTask: lambda: LoopTask("t", 3, [simple("a")]),
    ForEachTask: lambda: ForEachTask("t", [simple("a")], "${workflow.input.list}"),
    DynamicForkTask: lambda: with_inputs(
        DynamicForkTask("t", "tasks", "inputs", JoinTask("j")),
        tasks="${workflow.input.t}",
        inputs="${workflow.input.i}",
    ),
    DynamicTask: lambda: DynamicTask("${workflow.input.name}", "t"),
    EventTaskInterface: lambda: EventTaskInterface("t", "kafka", "shop:out"),
    ForkTask: lambda: ForkTask("t", [[simple("a"), simple("b")], [simple("c")]], join_on=["b", "c"]),
    HttpTask: lambda: HttpTask("t", HttpInput(uri="http://x", headers={"a": ["b"]}, body={"n": 1})),
    HumanTask: lambda: HumanTask("t", "name", "form", 1),
    InlineTask: lambda: InlineTask("t", "$.a + 1", {"a": "${workflow.input.a}"}),
    JavascriptTask: lambda: JavascriptTask("t", "$.a + 1", {"a": "${workflow.input.a}"}),
    JsonJQTask: lambda: JsonJQTask("t", ".a"),
    KafkaPublishTask: lambda: KafkaPublishTask(
        "t",
        KafkaPublishInput("k:9092", "key", "org.apache.kafka.common.serialization.StringSerializer", "v", topic="x"),
    ),
    PullWorkflowMessagesTask: lambda: PullWorkflowMessagesTask("t", 5),
    SetVariableTask: lambda: with_inputs(SetVariableTask("t"), x=1),
    StartWorkflowTask: lambda: StartWorkflowTask("t", "other", StartWorkflowRequest(name="other", input={"x": 1}), 1),
    SubWorkflowTask: lambda: SubWorkflowTask("t", "other", 1, {"*": "north"}),
    InlineSubWorkflowTask: lambda: InlineSubWorkflowTask("t", other()),
    SwitchTask: lambda: SwitchTask("t", "${workflow.input.x}").switch_case("A", simple("a")).default_case(simple("b")),
    TerminateTask: lambda: TerminateTask("t", WorkflowStatus.COMPLETED, "done"),
    WaitTask: lambda: WaitTask("t", wait_until="2026-12-24 18:00 UTC"),
    WaitForDurationTask: lambda: WaitForDurationTask("t", 5),
    WaitUntilTask: lambda: WaitUntilTask("t", "2026-12-24 18:00 UTC"),
}
"""A task of its own for each class; `JoinTask` comes with the forks."""

REFUSED: dict[type, tuple[Callable[[], Any], str]] = {
    SqsEventTask: (lambda: SqsEventTask("t", "q"), "not yet supported: type sqs"),
    ConductorEventTask: (lambda: ConductorEventTask("t", "e"), "not yet supported: type conductor"),
    GetDocument: (lambda: GetDocument("n", "t", "http://x", "application/pdf"), "GET_DOCUMENT"),
    HttpPollTask: (lambda: HttpPollTask("t", HttpPollInput(uri="http://x")), "HTTP_POLL"),
    WaitForWebHookTask: (lambda: WaitForWebHookTask("t", {"$['a']": 1}), "WAIT_FOR_WEBHOOK"),
    call_mcp_tool.CallMcpTool: (lambda: call_mcp_tool.CallMcpTool("t", "s", "m", {}), "CALL_MCP_TOOL"),
    list_mcp_tools.ListMcpTools: (lambda: list_mcp_tools.ListMcpTools("t", "s"), "LIST_MCP_TOOLS"),
    generate_audio.GenerateAudio: (lambda: generate_audio.GenerateAudio("t", "p", "m"), "GENERATE_AUDIO"),
    generate_image.GenerateImage: (lambda: generate_image.GenerateImage("t", "p", "m", "x"), "GENERATE_IMAGE"),
    llm_chat_complete.LlmChatComplete: (
        lambda: llm_chat_complete.LlmChatComplete("t", "p", "m"), "LLM_CHAT_COMPLETE"
    ),
    llm_text_complete.LlmTextComplete: (
        lambda: llm_text_complete.LlmTextComplete("t", "p", "m", "x"), "LLM_TEXT_COMPLETE"
    ),
    llm_generate_embeddings.LlmGenerateEmbeddings: (
        lambda: llm_generate_embeddings.LlmGenerateEmbeddings("t", "p", "m", "x"), "LLM_GENERATE_EMBEDDINGS"
    ),
    llm_index_documents.LlmIndexDocument: (
        lambda: llm_index_documents.LlmIndexDocument("t", "v", "i", MODEL, "ns", "d", "u", "m"), "LLM_INDEX_TEXT"
    ),
    llm_index_text.LlmIndexText: (
        lambda: llm_index_text.LlmIndexText("t", "v", "i", MODEL, "x", "d", "ns"), "LLM_INDEX_TEXT"
    ),
    llm_query_embeddings.LlmQueryEmbeddings: (
        lambda: llm_query_embeddings.LlmQueryEmbeddings("t", "v", "i", [1]), "LLM_GET_EMBEDDINGS"
    ),
    llm_search_embeddings.LlmSearchEmbeddings: (
        lambda: llm_search_embeddings.LlmSearchEmbeddings("t", "v", "i", [1]), "LLM_SEARCH_EMBEDDINGS"
    ),
    llm_search_index.LlmSearchIndex: (
        lambda: llm_search_index.LlmSearchIndex("t", "v", "i", "p", "m", "n", "q"), "LLM_SEARCH_INDEX"
    ),
    llm_store_embeddings.LlmStoreEmbeddings: (
        lambda: llm_store_embeddings.LlmStoreEmbeddings("t", "v", "i", [1]), "LLM_STORE_EMBEDDINGS"
    ),
}  # fmt: skip


def sent(*tasks: Any) -> Any:
    """The document as the client sends it."""
    built = ConductorWorkflow(executor=None, name="w", version=1)
    for each in tasks:
        built = built >> each
    return json.loads(json.dumps(ApiClient().sanitize_for_serialization(built.to_workflow_def())))


def classes() -> Iterator[type]:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, TaskInterface) and value.__module__ == module.name:
                yield value


def test_every_class_of_the_sdk_is_looked_at() -> None:
    assert set(classes()) - {TaskInterface} == {*RUNNING, *REFUSED, JoinTask}


@pytest.mark.parametrize("kind", RUNNING, ids=lambda kind: kind.__name__)
def test_what_runs(kind: type) -> None:
    result = compiled(sent(RUNNING[kind]()))
    assert result.findings == []
    assert KINDS[result.plan.steps["t"].kind]


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.__name__)
def test_what_does_not_run_says_so(kind: type) -> None:
    make, why = REFUSED[kind]
    findings = [each for each in compiled(sent(make())).findings if each.level == "error"]
    assert [each.kind for each in findings] == ["not_supported"]
    assert findings[0].path in ("tasks[0].type", "tasks[0].sink") and why in findings[0].message


def test_lists_become_forks_with_joins() -> None:
    result = compiled(sent([simple("a"), [simple("b"), simple("c")]], simple("z")))
    assert result.findings == []
    (join,) = [step for step in result.plan.steps.values() if step.kind == "join"]
    assert (join.settings.refs, join.edges) == (("a", "c"), {"next": "z"})


def test_a_list_at_the_very_end_runs_without_a_join() -> None:
    assert [each.level for each in compiled(sent([simple("a"), simple("b")])).findings] == ["warning"]


def test_a_workflow_inside_a_workflow() -> None:
    result = compiled(sent(other()))
    assert result.findings == []
    assert WorkflowInlineSubWorkflowTask("t", other()).to_workflow_task().sub_workflow_param.name == "other"
    (step,) = result.plan.steps.values()
    assert step.settings.definition.render({})["tasks"][0]["taskReferenceName"] == "inner"
