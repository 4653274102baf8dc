"""The tables of who may what, as their stores name them. `migrations/` makes them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, PrimaryKeyConstraint, Table, Text, text

from tidemill.storage.columns import metadata
from tidemill.storage.columns import number_column as _number
from tidemill.storage.columns import text_column as _text

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    _text("roles"),
    _text("password_hash"),
    _number("generation"),
    _number("created_ms"),
    _number("updated_ms"),
)

user_groups = Table(
    "user_groups",
    metadata,
    Column("id", Text, primary_key=True),
    _text("description"),
    _text("roles"),
    _number("created_ms"),
    _number("updated_ms"),
    Column("default_access", Text, nullable=False, server_default=text("'{}'")),
)

group_members = Table(
    "group_members",
    metadata,
    Column("group_id", Text, ForeignKey("user_groups.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    PrimaryKeyConstraint("group_id", "user_id"),
    Index("ix_group_members_user", "user_id"),
)

applications = Table(
    "applications",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    _text("roles"),
    _text("created_by"),
    _number("created_ms"),
    _number("updated_ms"),
)

access_keys = Table(
    "access_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("application_id", Text, ForeignKey("applications.id", ondelete="CASCADE"), nullable=False),
    _text("secret_hash"),
    Column("is_active", Boolean, nullable=False),
    _number("created_ms"),
    Index("ix_access_keys_application", "application_id", "id"),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", Text, primary_key=True),
    _text("sealed"),
    _text("author"),
    _number("updated_ms"),
)

tags = Table(
    "tags",
    metadata,
    _text("kind"),
    _text("name"),
    _text("key"),
    _text("value"),
    PrimaryKeyConstraint("kind", "name", "key", "value"),
    Index("ix_tags_tag", "key", "value"),
)

grants = Table(
    "grants",
    metadata,
    _text("subject_kind"),
    _text("subject"),
    _text("kind"),
    _text("name"),
    _text("access"),
    PrimaryKeyConstraint("subject_kind", "subject", "kind", "name", "access"),
    Index("ix_grants_thing", "kind", "name"),
)

roles = Table(
    "roles",
    metadata,
    Column("name", Text, primary_key=True),
    _text("permissions"),
    _text("actions"),
    _number("created_ms"),
    _number("updated_ms"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    _number("at_ms"),
    _text("principal"),
    _text("action"),
    _text("resource"),
    _text("outcome"),
    _text("detail"),
    Index("ix_audit_principal", "principal", "id"),
)
