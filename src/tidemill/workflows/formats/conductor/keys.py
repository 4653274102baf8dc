"""The names that Conductor's JSON uses: keys that are known and change nothing here, types that are not built yet."""

from __future__ import annotations

WORKFLOW_NOTED = (
    "description", "inputParameters", "schemaVersion", "restartable", "ownerEmail", "ownerApp", "metadata",
    "createTime", "updateTime", "createdBy", "updatedBy", "tags", "accessPolicy", "overwriteTags", "maskedFields",
    "workflowStatusListenerSink", "enforceSchema",
)  # fmt: skip
WORKFLOW_NOT_YET = (
    "workflowStatusListenerEnabled", "rateLimitConfig", "inputSchema", "outputSchema", "cacheConfig",
)  # fmt: skip
TASK_NOTED = (
    "description", "metadata", "workflowTaskType", "rateLimited", "asyncComplete", "sink", "evaluatorType",
    "expression", "decisionCases", "defaultCase", "dynamicTaskNameParam", "caseValueParam", "caseExpression",
    "scriptExpression", "dynamicForkJoinTasksParam", "dynamicForkTasksParam", "dynamicForkTasksInputParamName",
    "forkTasks", "subWorkflowParam", "joinOn", "joinStatus", "joinMode", "defaultExclusiveJoinTask", "loopCondition",
    "loopOver", "items", "keepLastN",
)  # fmt: skip
TASK_NOT_YET = ("cacheConfig", "onStateChange")
TASK_DEF_NOTED = (
    "description", "ownerEmail", "ownerApp", "createTime", "updateTime", "createdBy", "updatedBy", "tags",
    "accessPolicy", "overwriteTags", "inputKeys", "outputKeys", "isolationGroupId", "executionNameSpace", "baseType",
    "runtimeMetadata", "taskStatusListenerEnabled", "enforceSchema", "timeoutPolicy", "metadata",
)  # fmt: skip
TASK_DEF_NOT_YET = (
    "timeoutSeconds", "pollTimeoutSeconds", "totalTimeoutSeconds", "concurrentExecLimit", "rateLimitPerFrequency",
    "inputSchema", "outputSchema",
)  # fmt: skip
"""`rateLimitFrequencyInSeconds` without a number per frequency limits nothing, and the SDK always sends it."""

TYPES_NOT_YET = frozenset({
    "HTTP", "HTTP_POLL", "FORK_JOIN", "JOIN", "FORK_JOIN_DYNAMIC", "FORK", "EXCLUSIVE_JOIN", "DO_WHILE",
    "SUB_WORKFLOW", "START_WORKFLOW", "HUMAN", "DYNAMIC", "KAFKA_PUBLISH", "DECISION", "LAMBDA", "USER_DEFINED",
    "YIELD", "WAIT_FOR_WEBHOOK", "BUSINESS_RULE", "JDBC", "GET_SIGNED_JWT", "UPDATE_TASK", "UPDATE_SECRET",
    "TERMINATE_WORKFLOW", "QUERY_PROCESSOR", "OPS_GENIE", "SENDGRID", "GRPC", "MCP", "PULL_WORKFLOW_MESSAGES",
    "AGENT", "LLM_TEXT_COMPLETE", "LLM_CHAT_COMPLETE", "LLM_GENERATE_EMBEDDINGS", "LLM_INDEX_DOCUMENT",
    "LLM_INDEX_TEXT", "LLM_SEARCH_INDEX", "LLM_GET_EMBEDDINGS", "LLM_STORE_EMBEDDINGS", "GET_DOCUMENT",
})  # fmt: skip
