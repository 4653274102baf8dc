"""The tables of rule chains; see `tables`."""

from __future__ import annotations

from sqlalchemy import Index, PrimaryKeyConstraint, Table

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
