"""What the rig runs: workflows that publish a record's number, and what there must be of them in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Task = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`definitions` are saved in order; the last one is started once per record, with its `n` and `key`. Each of
    `topics` gets `n` once; under its key and in its order, where `is_ordered`. `executions` of a record, all in all.
    With a `chain`, records go through that instead, by its own endpoint. Where `is_counted`, it keeps how often a
    number came, and publishes it."""

    definitions: tuple[dict[str, Any], ...]
    topics: tuple[str, ...]
    executions: int = 1
    is_ordered: bool = True
    chain: dict[str, Any] | None = None
    is_counted: bool = False


def copying(integration: str, topic: str) -> Pipeline:
    """One EVENT task."""
    return Pipeline((_workflow("copy", _publish("copy", integration, topic)),), (topic,))


def branching(integration: str, topic: str, service: str) -> Pipeline:
    """A fork of a sub-workflow, which publishes, and of a call; after both a record like `copying`'s. What a call's
    end lets go on may be late by a lease, so one key's records need not be in order."""
    topic_of_child = f"{topic}-child"
    child = _workflow("child", _publish("tell", integration, topic_of_child))
    given = {"n": "${workflow.input.n}", "key": "${workflow.input.key}"}
    below = _task("below", "SUB_WORKFLOW", {**given}, subWorkflowParam={"name": "child", "version": 1})
    call = _task("call", "HTTP", {"uri": f"{service}/${{workflow.input.n}}", "method": "POST", "body": given})
    whole = _workflow(
        "branch",
        _task("fork", "FORK_JOIN", forkTasks=[[below], [call]]),
        _task("join", "JOIN", joinOn=["below", "call"]),
        # Null, and so no number at all, unless the service has answered.
        _publish("copy", integration, topic, "${call.output.response.body.n}"),
    )
    return Pipeline((child, whole), (topic, topic_of_child), executions=2, is_ordered=False)


def chaining(integration: str, topic_in: str, topic: str, mark: str = "") -> Pipeline:
    """A chain of two scripts, the cache and a Kafka node, whose endpoint also responds. `mark` makes it another one."""
    topic_of_response = f"{topic}-response"
    scripts = ("return msg.n >= 0;", _TRANSFORM % (topic_of_response, mark))
    kept = {"level": "chain", "key": "seen-${msg.n}"}
    nodes = [
        {"id": "seen", "type": "cacheGet", "configuration": {"keys": [kept], **_INTO_METADATA}},
        {"id": "filter", "type": "jsFilter", "configuration": {"jsScript": scripts[0]}},
        {"id": "transform", "type": "jsTransform", "configuration": {"jsScript": scripts[1]}},
        {"id": "keep", "type": "cacheSet", "configuration": {"items": [{**kept, "value": "${msg.times}"}]}},
        {
            "id": "out",
            "type": "x/kafkaProducer",
            "configuration": {"server": integration, "topic": topic, "key": "${metadata.key}"},
        },
    ]
    router = {"from": {"path": topic_in}, "to": {"processors": ["metadataToHeaders", "responseToBody"]}}
    configuration = {"integration": integration, "groupId": topic_in}
    endpoint = {"id": "in", "type": "endpoint/kafka", "configuration": configuration}
    connections = [
        {"fromId": "seen", "type": "Success", "toId": "filter"},
        {"fromId": "filter", "type": "True", "toId": "transform"},
        {"fromId": "transform", "type": "Success", "toId": "keep"},
        {"fromId": "keep", "type": "Success", "toId": "out"},
    ]
    document = {
        "ruleChain": {"name": "copy"},
        "metadata": {"nodes": nodes, "connections": connections, "endpoints": [{**endpoint, "routers": [router]}]},
    }
    return Pipeline((), (topic, topic_of_response), executions=0, chain=document, is_counted=True)


def waiting(integration: str, topic_in: str, topic: str) -> Pipeline:
    """A chain whose messages wait in the database before they are published, and inside of a loop for the broker."""
    nodes = [
        {"id": "wait", "type": "delay", "configuration": {"delayMs": "300", "maxPendingMsgs": 100_000}},
        {"id": "once", "type": "for", "configuration": {"range": "1..1", "do": "soon", "mode": 2}},
        {"id": "soon", "type": "delay", "configuration": {"delayMs": "100", "maxPendingMsgs": 100_000}},
        {
            "id": "out",
            "type": "x/kafkaProducer",
            "configuration": {"server": integration, "topic": topic, "key": "${metadata.key}", "awaitAck": True},
        },
    ]
    configuration = {"integration": integration, "groupId": topic_in}
    endpoint = {"id": "in", "type": "endpoint/kafka", "configuration": configuration}
    routers = [{"from": {"path": topic_in}, "to": {"path": ""}}]
    connections = [
        {"fromId": "wait", "type": "Success", "toId": "once"},
        {"fromId": "soon", "type": "Success", "toId": "out"},
    ]
    metadata = {"nodes": nodes, "connections": connections, "endpoints": [{**endpoint, "routers": routers}]}
    document = {"ruleChain": {"name": "wait"}, "metadata": metadata}
    return Pipeline((), (topic,), executions=0, is_ordered=False, chain=document)


_INTO_METADATA = {"outputMode": 0, "whenKeyNotFound": "success"}
_TRANSFORM = """
metadata.responseTopic = '%s';
const times = Number(metadata['seen-' + msg.n] || 0) + 1;
return {msg: {n: msg.n, mark: '%s', times}, metadata};
"""


def _workflow(name: str, *tasks: Task) -> dict[str, Any]:
    return {"name": name, "version": 1, "schemaVersion": 2, "tasks": list(tasks)}


def _task(ref: str, kind: str, inputs: dict[str, Any] | None = None, **keys: Any) -> Task:
    return {"name": ref, "taskReferenceName": ref, "type": kind, "inputParameters": inputs or {}, **keys}


def _publish(ref: str, integration: str, topic: str, number: str = "${workflow.input.n}") -> Task:
    inputs = {"n": number, "_key": "${workflow.input.key}"}
    return _task(ref, "EVENT", inputs, sink=f"kafka:{integration}:{topic}")
