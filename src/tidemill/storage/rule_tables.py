"""The tables of rule chains; see `tables`."""

from __future__ import annotations

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, Text

from tidemill.storage.columns import bytes_column, metadata, number_column, text_column

rule_cache = Table(
    "rule_cache",
    metadata,
    text_column("chain"),
    text_column("key"),
    number_column("until_ms"),
    bytes_column("value"),
    PrimaryKeyConstraint("chain", "key"),
    Index("ix_rule_cache_until", "until_ms"),
)

held_runs = Table(
    "held_runs",
    metadata,
    Column("id", Text, primary_key=True),
    text_column("chain"),
    text_column("node"),
    Column("slot", Text, unique=True),
    number_column("due_ms"),
    number_column("revision"),
    bytes_column("document"),
    Index("ix_held_runs_due", "due_ms", "id"),
    Index("ix_held_runs_node", "chain", "node"),
)

run_wakes = Table(
    "run_wakes",
    metadata,
    text_column("run"),
    text_column("publication"),
    number_column("at_ms"),
    bytes_column("wake"),
    PrimaryKeyConstraint("run", "publication"),
    Index("ix_run_wakes_at", "at_ms"),
)
