"""The first tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_CORRELATED = sa.text("correlation_id IS NOT NULL")


def upgrade() -> None:
    _basics()
    _ingest()
    _records()
    _workflows()
    _tasks()
    _outbox()
    _access()


def _basics() -> None:
    op.create_table(
        "meta",
        _text("name"),
        _text("value"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "counters",
        _text("name"),
        _number("value"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "definitions",
        _text("kind"),
        _text("name"),
        _number("version"),
        _number("save"),
        _bytes("document"),
        _bytes("findings"),
        _text("author"),
        _number("created_ms"),
        _number("updated_ms"),
        _flag("is_current"),
        _text("removed_by", nullable=True),
        _number("removed_ms", nullable=True),
        sa.PrimaryKeyConstraint("kind", "name", "version", "save"),
    )


def _ingest() -> None:
    op.create_table(
        "positions",
        _text("integration"),
        _text("consumer_group"),
        _text("topic"),
        _number("partition"),
        _text("topic_id"),
        _number("next_offset"),
        sa.PrimaryKeyConstraint("integration", "consumer_group", "topic", "partition"),
    )
    op.create_table(
        "parked",
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
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_parked_order", "parked", ["integration", "consumer_group", "route", "topic", "partition", "id"])


def _records() -> None:
    op.create_table(
        "dead_letters",
        _text("id"),
        _text("consumer_group"),
        _text("route"),
        _text("integration"),
        _text("state"),
        _text("reason"),
        _number("at_ms"),
        _bytes("record"),
        _bytes("detail"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_dead_letters_at", "dead_letters", ["at_ms", "id"])
    op.create_index("ix_dead_letters_route_at", "dead_letters", ["route", "at_ms", "id"])
    op.create_table(
        "history",
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
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_history_created", "history", ["created_ms"])
    op.create_index("ix_history_record", "history", ["integration", "topic", "partition", "first_offset"])
    op.create_index("ix_history_route", "history", ["route", "created_ms", "record_count"])
    op.create_table(
        "gaps",
        _row_id(),
        _text("integration"),
        _text("consumer_group"),
        _text("topic"),
        _number("partition"),
        _number("first_offset"),
        _number("last_offset"),
        _text("reason"),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_gaps_integration", "gaps", ["integration", "id"])


def _workflows() -> None:
    op.create_table(
        "executions",
        _text("id"),
        _text("name"),
        _number("version"),
        _text("status"),
        _text("correlation_id", nullable=True),
        _number("created_ms"),
        _number("updated_ms"),
        _number("ended_ms"),
        _number("revision"),
        _bytes("document"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_executions_correlation",
        "executions",
        ["correlation_id"],
        sqlite_where=_CORRELATED,
        postgresql_where=_CORRELATED,
    )
    op.create_index("ix_executions_created", "executions", ["created_ms"])
    op.create_index("ix_executions_name", "executions", ["name", "created_ms"])
    op.create_index("ix_executions_status", "executions", ["status", "created_ms"])
    op.create_table(
        "idempotency",
        _text("workflow"),
        _text("key"),
        _text("execution_id"),
        sa.PrimaryKeyConstraint("workflow", "key"),
    )


def _tasks() -> None:
    op.create_table(
        "task_queue",
        _text("task_id"),
        _text("name"),
        _text("domain"),
        _number("due_ms"),
        _number("priority"),
        sa.PrimaryKeyConstraint("task_id"),
    )
    op.create_index("ix_task_queue_order", "task_queue", ["name", "domain", sa.text("priority DESC"), "due_ms"])
    op.create_table(
        "timers",
        _text("id"),
        _number("due_ms"),
        _text("execution_id"),
        _number("seq"),
        _text("purpose"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_timers_due", "timers", ["due_ms"])
    op.create_table(
        "task_logs",
        _row_id(),
        _text("task_id"),
        _number("created_ms"),
        _text("text"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_task_logs_task", "task_logs", ["task_id", "id"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        _row_id(),
        _text("integration"),
        _number("created_ms"),
        _bytes("publication"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_integration", "outbox", ["integration", "id"])
    op.create_table(
        "outbox_batches",
        _text("integration"),
        _number("number"),
        _bytes("row_ids"),
        sa.PrimaryKeyConstraint("integration", "number"),
    )
    op.create_table(
        "publish_leases",
        _text("integration"),
        _text("holder"),
        _number("epoch"),
        _number("until_ms"),
        _number("last_number"),
        sa.PrimaryKeyConstraint("integration"),
    )


def _access() -> None:
    op.create_table(
        "users",
        _text("id"),
        _text("name"),
        _text("roles"),
        _text("password_hash"),
        _number("generation"),
        _number("created_ms"),
        _number("updated_ms"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "applications",
        _text("id"),
        _text("name"),
        _text("roles"),
        _text("created_by"),
        _number("created_ms"),
        _number("updated_ms"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "access_keys",
        _text("id"),
        sa.Column("application_id", sa.Text, sa.ForeignKey("applications.id", ondelete="CASCADE"), nullable=False),
        _text("secret_hash"),
        _flag("is_active"),
        _number("created_ms"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_access_keys_application", "access_keys", ["application_id", "id"])
    op.create_table(
        "audit",
        _text("id"),
        _number("at_ms"),
        _text("principal"),
        _text("action"),
        _text("resource"),
        _text("outcome"),
        _text("detail"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_audit_principal", "audit", ["principal", "id"])


def _text(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _number(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _bytes(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _row_id() -> sa.Column[Any]:
    # SQLite counts rows by itself only in a column that is called INTEGER.
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False)
