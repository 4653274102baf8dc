"""The tables, as the stores name them. An empty database gets these; a test proves that `migrations/` come to the same.

Times are milliseconds since 1970 in BIGINT. What only Tidemill reads whole is one MessagePack column.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, PrimaryKeyConstraint, Table, Text, text

import tidemill.storage.access_tables
import tidemill.storage.rule_tables  # noqa: F401 - `metadata` has all of them
from tidemill.storage.columns import bytes_column as _bytes
from tidemill.storage.columns import metadata as metadata
from tidemill.storage.columns import number_column as _number
from tidemill.storage.columns import part_index
from tidemill.storage.columns import row_id as _row_id
from tidemill.storage.columns import text_column as _text

meta = Table("meta", metadata, Column("name", Text, primary_key=True), _text("value"))

counters = Table("counters", metadata, Column("name", Text, primary_key=True), _number("value"))

definitions = Table(
    "definitions",
    metadata,
    _text("kind"),
    _text("name"),
    _number("version"),
    _number("save"),
    _bytes("document"),
    _bytes("findings"),
    _text("author"),
    _number("created_ms"),
    _number("updated_ms"),
    Column("is_current", Boolean, nullable=False),
    Column("removed_by", Text),
    Column("removed_ms", BigInteger),
    PrimaryKeyConstraint("kind", "name", "version", "save"),
)

positions = Table(
    "positions",
    metadata,
    _text("integration"),
    _text("consumer_group"),
    _text("topic"),
    _number("partition"),
    _text("topic_id"),
    _number("next_offset"),
    PrimaryKeyConstraint("integration", "consumer_group", "topic", "partition"),
)

parked = Table(
    "parked",
    metadata,
    _row_id(),
    _text("integration"),
    _text("consumer_group"),
    _text("route"),
    _text("topic"),
    _number("partition"),
    _number("attempts"),
    _number("first_at_ms"),
    _number("due_ms"),
    _text("reason"),
    _bytes("record"),
    Index("ix_parked_order", "integration", "consumer_group", "route", "topic", "partition", "id"),
    sqlite_autoincrement=True,
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Text, primary_key=True),
    _text("consumer_group"),
    _text("route"),
    _text("integration"),
    _text("state"),
    _text("reason"),
    _number("at_ms"),
    _bytes("record"),
    _bytes("detail"),
    Index("ix_dead_letters_at", "at_ms", "id"),
    Index("ix_dead_letters_route_at", "route", "at_ms", "id"),
)

history = Table(
    "history",
    metadata,
    _row_id(),
    _text("route"),
    _text("integration"),
    _text("topic"),
    _number("partition"),
    _text("topic_id"),
    _number("first_offset"),
    _number("last_offset"),
    _number("created_ms"),
    _number("record_count"),
    _bytes("entries"),
    Column("result_count", BigInteger, nullable=False, server_default=text("0")),
    Index("ix_history_record", "integration", "topic", "partition", "first_offset"),
    Index("ix_history_route", "route", "created_ms", "record_count", "result_count"),
    Index("ix_history_created", "created_ms"),
    sqlite_autoincrement=True,
)

gaps = Table(
    "gaps",
    metadata,
    _row_id(),
    _text("integration"),
    _text("consumer_group"),
    _text("topic"),
    _number("partition"),
    _number("first_offset"),
    _number("last_offset"),
    _text("reason"),
    _number("at_ms"),
    Index("ix_gaps_integration", "integration", "id"),
    sqlite_autoincrement=True,
)

executions = Table(
    "executions",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    _number("version"),
    _text("status"),
    Column("correlation_id", Text),
    _number("created_ms"),
    _number("updated_ms"),
    _number("ended_ms"),
    _number("revision"),
    _bytes("document"),
    Index("ix_executions_created", "created_ms"),
    # The end is there to be compared only: whoever walks along the starts need not look at the rows.
    Index("ix_executions_name", "name", "status", "created_ms", "ended_ms"),
    Index("ix_executions_status", "status", "created_ms", "ended_ms"),
)
for _name, _columns in {"ix_executions_ended": (), "ix_executions_name_ended": (executions.c.name,)}.items():
    part_index(_name, *_columns, executions.c.status, executions.c.ended_ms, where=executions.c.ended_ms > 0)
# Most executions have no correlation id: an index entry for each of them would only cost.
part_index(
    "ix_executions_correlation",
    executions.c.correlation_id,
    where=executions.c.correlation_id.is_not(None),
)

finished_tasks = Table(
    "finished_tasks",
    metadata,
    _text("execution_id"),
    _number("seq"),
    _text("ref"),
    _text("status"),
    _bytes("document"),
    PrimaryKeyConstraint("execution_id", "seq"),
    Index("ix_finished_tasks_ref", "execution_id", "ref", "seq"),
)

turns = Table(
    "turns",
    metadata,
    Column("execution_id", Text, primary_key=True),
    _text("key"),
    _number("since_ms"),
    _number("most"),
    _number("is_taken"),
    Index("ix_turns_key", "is_taken", "key", "since_ms", "execution_id"),
)

task_cache = Table(
    "task_cache",
    metadata,
    _text("name"),
    _text("key"),
    _number("until_ms"),
    _text("task_id"),
    _bytes("output"),
    PrimaryKeyConstraint("name", "key"),
    Index("ix_task_cache_until", "until_ms"),
)

idempotency = Table(
    "idempotency",
    metadata,
    _text("workflow"),
    _text("key"),
    _text("execution_id"),
    PrimaryKeyConstraint("workflow", "key"),
)

task_queue = Table(
    "task_queue",
    metadata,
    Column("task_id", Text, primary_key=True),
    _text("name"),
    _text("domain"),
    _number("due_ms"),
    _number("priority"),
    Column("is_held", BigInteger, nullable=False, server_default=text("0")),
)
Index(
    "ix_task_queue_order",
    task_queue.c.name,
    task_queue.c.domain,
    task_queue.c.priority.desc(),
    task_queue.c.due_ms,
    task_queue.c.task_id,
)
part_index(
    "ix_task_queue_held",
    task_queue.c.name,
    task_queue.c.due_ms,
    where=text("is_held = 1"),
)

task_rates = Table("task_rates", metadata, Column("name", Text, primary_key=True), _bytes("handed"))

task_polls = Table(
    "task_polls",
    metadata,
    _text("name"),
    _text("domain"),
    _text("worker"),
    _number("polled_ms"),
    PrimaryKeyConstraint("name", "domain", "worker"),
)

timers = Table(
    "timers",
    metadata,
    Column("id", Text, primary_key=True),
    _number("due_ms"),
    _text("execution_id"),
    _number("seq"),
    _text("purpose"),
    Index("ix_timers_due", "due_ms"),
)

task_logs = Table(
    "task_logs",
    metadata,
    _row_id(),
    _text("task_id"),
    _number("created_ms"),
    _text("text"),
    Index("ix_task_logs_task", "task_id", "id"),
    sqlite_autoincrement=True,
)

outbox_blocks = Table(
    "outbox_blocks",
    metadata,
    _row_id(),
    _text("integration"),
    _number("created_ms"),
    _number("record_count"),
    _bytes("publications"),
    Index("ix_outbox_blocks_integration", "integration", "id"),
    sqlite_autoincrement=True,
)

outbox_batches = Table(
    "outbox_batches",
    metadata,
    _text("integration"),
    _number("number"),
    _bytes("row_ids"),
    PrimaryKeyConstraint("integration", "number"),
)

publish_leases = Table(
    "publish_leases",
    metadata,
    Column("integration", Text, primary_key=True),
    _text("holder"),
    _number("epoch"),
    _number("until_ms"),
    _number("last_number"),
)
