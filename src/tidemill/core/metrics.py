"""Every metric that Tidemill exports, with its meaning. A name that is not here does not exist."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_BATCH_SIZES = (1, 5, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

records = Counter("tidemill_records", "Records read", ["integration", "group", "topic"], registry=REGISTRY)
outcomes = Counter(
    "tidemill_outcomes",
    "Outcomes by route: done, filtered, retry, invalid",
    ["route", "outcome"],
    registry=REGISTRY,
)
lag = Gauge(
    "tidemill_lag_records",
    "Records not yet committed",
    ["integration", "group", "topic", "partition"],
    registry=REGISTRY,
)
gap_records = Counter(
    "tidemill_gap_records",
    "Records that retention deleted before they were read",
    ["integration", "topic"],
    registry=REGISTRY,
)
batch_records = Histogram(
    "tidemill_batch_records",
    "Records per pump batch",
    ["integration", "group"],
    buckets=_BATCH_SIZES,
    registry=REGISTRY,
)
batch_seconds = Histogram(
    "tidemill_batch_seconds",
    "Duration of a pump batch, by phase: handle, prepare, commit",
    ["integration", "group", "phase"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
stale_writes = Counter(
    "tidemill_stale_writes",
    "Transactions repeated because somebody wrote first",
    ["where"],
    registry=REGISTRY,
)
gate_groups = Histogram(
    "tidemill_gate_groups",
    "Calls of the API and of workers that were applied in one transaction",
    buckets=_BATCH_SIZES,
    registry=REGISTRY,
)
parked_records = Gauge("tidemill_parked_records", "Records that wait for a retry", ["route"], registry=REGISTRY)
outbox_depth = Gauge("tidemill_outbox_records", "Publications that wait", ["integration"], registry=REGISTRY)
outbox_age_s = Gauge(
    "tidemill_outbox_age_seconds",
    "Age of the oldest publication that waits",
    ["integration"],
    registry=REGISTRY,
)
published = Counter(
    "tidemill_publications",
    "Publications by result: published, refused",
    ["integration", "result"],
    registry=REGISTRY,
)
publish_batch_records = Histogram(
    "tidemill_publish_batch_records",
    "Publications per Kafka transaction",
    ["integration"],
    buckets=_BATCH_SIZES,
    registry=REGISTRY,
)
publish_seconds = Histogram(
    "tidemill_publish_seconds",
    "Duration of a Kafka transaction",
    ["integration"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
sandbox_calls = Counter(
    "tidemill_sandbox_calls",
    "Calls of the sandbox by engine and result",
    ["engine", "result"],
    registry=REGISTRY,
)
sandbox_messages = Counter(
    "tidemill_sandbox_messages", "Messages computed in the sandbox", ["engine"], registry=REGISTRY
)
sandbox_seconds = Histogram(
    "tidemill_sandbox_seconds", "Duration of a sandbox call", ["engine"], buckets=_SECONDS, registry=REGISTRY
)
calls = Counter(
    "tidemill_calls",
    "HTTP calls by outcome: succeeded (2xx), refused (any other status), failed (no response)",
    ["outcome"],
    registry=REGISTRY,
)
call_seconds = Histogram("tidemill_call_seconds", "Duration of an HTTP call", buckets=_SECONDS, registry=REGISTRY)
calls_in_flight = Gauge("tidemill_calls_in_flight", "HTTP calls that have not ended", registry=REGISTRY)
executions = Gauge("tidemill_executions", "Executions by status", ["status"], registry=REGISTRY)
timeouts = Counter(
    "tidemill_timeouts",
    "Deadlines of tasks and workflows that passed, by limit and policy: retry, end, alert",
    ["limit", "policy"],
    registry=REGISTRY,
)
pump_up = Gauge("tidemill_pump_up", "1 while the pump of this group runs", ["integration", "group"], registry=REGISTRY)

broker_up = Gauge("tidemill_broker_up", "1 while the embedded broker's process answers", registry=REGISTRY)
broker_connections = Gauge("tidemill_broker_connections", "Connections that are open", registry=REGISTRY)
broker_connections_refused = Counter(
    "tidemill_broker_connections_refused", "Connections that were too many, or not authenticated", registry=REGISTRY
)
broker_requests = Counter("tidemill_broker_requests", "Requests by API", ["api"], registry=REGISTRY)
broker_bytes = Counter("tidemill_broker_bytes", "Bytes by direction: in, out", ["direction"], registry=REGISTRY)
broker_topics = Gauge("tidemill_broker_topics", "Topics of the embedded broker", registry=REGISTRY)
broker_partitions = Gauge("tidemill_broker_partitions", "Partitions of the embedded broker", registry=REGISTRY)
broker_log_bytes = Gauge("tidemill_broker_log_bytes", "Size of all partitions' logs", registry=REGISTRY)

node_messages = Counter(
    "tidemill_node_messages", "Messages into a node of a rule chain", ["chain", "node"], registry=REGISTRY
)
node_failures = Counter(
    "tidemill_node_failures", "Messages that a rule chain's node told by Failure", ["chain", "node"], registry=REGISTRY
)
node_seconds = Histogram(
    "tidemill_node_seconds",
    "How long a rule chain's node took for a batch",
    ["chain", "node"],
    buckets=(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
    registry=REGISTRY,
)
