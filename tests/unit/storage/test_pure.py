"""What needs no database: addresses, text, and the statements for many rows."""

from __future__ import annotations

import pytest

from tidemill.core.errors import BadInput
from tidemill.storage import bulk, tables
from tidemill.storage.engines import database_url
from tidemill.storage.text import storable


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("sqlite:///data/tidemill.db", "sqlite+aiosqlite"),
        ("postgresql://me@host/name", "postgresql+asyncpg"),
        ("postgresql+psycopg2://me@host/name", "postgresql+asyncpg"),
        ("postgres://me@host/name", "postgresql+asyncpg"),
    ],
)
def test_addresses_get_our_drivers(text: str, driver: str) -> None:
    assert database_url(text).drivername == driver


@pytest.mark.parametrize("text", ["", "tidemill.db", "mysql://host/name", "sqlite://", "sqlite:///:memory:"])
def test_other_addresses_are_refused_with_a_hint(text: str) -> None:
    with pytest.raises(BadInput, match="sqlite:///file or postgresql://"):
        database_url(text)


@pytest.mark.parametrize(
    ("text", "stored"),
    [("plain", "plain"), ("ünïcode 🌊", "ünïcode 🌊"), ("a\x00b", "a\ufffdb"), ("ü\x00\ud800", "ü\ufffd?")],
)
def test_text_is_made_storable(text: str, stored: str) -> None:
    assert storable(text) == stored


def test_an_update_may_compare_the_column_that_it_sets() -> None:
    statement = bulk.update(tables.idempotency, ("key", "execution_id"), ("execution_id",))

    assert statement._sqlite == 'UPDATE "idempotency" SET "execution_id" = ?3 WHERE "key" = ?1 AND "execution_id" = ?2'
    assert statement.postgres == (
        'UPDATE "idempotency" AS t SET "execution_id" = v.c3 FROM unnest($1::TEXT[], $2::TEXT[], $3::TEXT[]) '
        'WITH ORDINALITY AS v (c1, c2, c3, place) WHERE t."key" = v.c1 AND t."execution_id" = v.c2 RETURNING 1'
    )
