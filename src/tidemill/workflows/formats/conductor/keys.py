"""The names that Conductor's JSON uses: keys that are known and need no reading where they are met, types that go by
two names, types that are not built yet.
"""

from __future__ import annotations

from collections.abc import Mapping

WORKFLOW_NOTED = (
    "description", "inputParameters", "schemaVersion", "ownerEmail", "ownerApp", "metadata",
    "createTime", "updateTime", "createdBy", "updatedBy", "tags", "accessPolicy", "overwriteTags",
    "workflowStatusListenerSink",
)  # fmt: skip
WORKFLOW_NOT_YET = (
    "cacheConfig", "onStateChange",
)  # fmt: skip
TASK_NOTED = (
    "description", "metadata", "workflowTaskType", "rateLimited", "sink", "evaluatorType",
    "expression", "decisionCases", "defaultCase", "dynamicTaskNameParam", "caseValueParam", "caseExpression",
    "scriptExpression", "dynamicForkJoinTasksParam", "dynamicForkTasksParam", "dynamicForkTasksInputParamName",
    "forkTasks", "subWorkflowParam", "joinOn", "joinStatus", "joinMode", "defaultExclusiveJoinTask", "loopCondition",
    "loopOver", "items", "keepLastN",
)  # fmt: skip
TASK_DEF_NOTED = (
    "description", "ownerEmail", "ownerApp", "createTime", "updateTime", "createdBy", "updatedBy", "tags",
    "accessPolicy", "overwriteTags", "inputKeys", "outputKeys", "isolationGroupId", "executionNameSpace", "baseType",
    "runtimeMetadata", "taskStatusListenerEnabled", "metadata",
)  # fmt: skip

WORKER_TYPES = frozenset({"SIMPLE", "USER_DEFINED"})
FORK_TYPES = frozenset({"FORK_JOIN", "FORK"})

_MODELS = "Tidemill calls no language models or other services of its own accord; a worker (SIMPLE) or HTTP can"
_AGENTS = "Tidemill runs no agents; a worker (SIMPLE) can"
_WORKER = "a worker (SIMPLE) can do it"

TYPES_NOT_YET: Mapping[str, str] = {
    "HTTP_POLL": "call with HTTP inside a DO_WHILE with a WAIT",
    "WAIT_FOR_WEBHOOK": "there are no webhooks; let an event handler complete a HUMAN task",
    "YIELD": "use HUMAN, or WAIT without a time",
    "UPDATE_TASK": "call the API with HTTP",
    "UPDATE_SECRET": "secrets are written over the API only",
    "TERMINATE_WORKFLOW": "call the API with HTTP",
    "GET_WORKFLOW": "call the API with HTTP",
    "QUERY_PROCESSOR": _WORKER,
    "BUSINESS_RULE": "use SWITCH, or INLINE with a script",
    "JDBC": _WORKER,
    "GET_SIGNED_JWT": _WORKER,
    "OPS_GENIE": "call it with HTTP",
    "SENDGRID": "call it with HTTP",
    "GRPC": _WORKER,
    "GET_DOCUMENT": "get it with HTTP",
    "AGENT": _AGENTS,
    "MCP": _AGENTS,
    "LIST_MCP_TOOLS": _AGENTS,
    "CALL_MCP_TOOL": _AGENTS,
    "GENERATE_IMAGE": _MODELS,
    "GENERATE_AUDIO": _MODELS,
    "LLM_TEXT_COMPLETE": _MODELS,
    "LLM_CHAT_COMPLETE": _MODELS,
    "LLM_GENERATE_EMBEDDINGS": _MODELS,
    "LLM_GET_EMBEDDINGS": _MODELS,
    "LLM_STORE_EMBEDDINGS": _MODELS,
    "LLM_SEARCH_EMBEDDINGS": _MODELS,
    "LLM_INDEX_DOCUMENT": _MODELS,
    "LLM_INDEX_TEXT": _MODELS,
    "LLM_SEARCH_INDEX": _MODELS,
}
"""Types that Conductor has and Tidemill has not, and what to do instead."""
