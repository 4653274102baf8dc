"""Placeholders in SQL, and addresses of databases."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.rules.ports import OutsideFailed
from tidemill.web.sql.dsn import Address, mysql_address, postgres_address, sqlite_file
from tidemill.web.sql.text import bound


def dollar(count: int) -> str:
    return f"${count}"


@pytest.mark.parametrize(("sql", "given", "expected", "params"), [
    ("SELECT 1", [], "SELECT 1", []),
    ("a = ? AND b = ?", [1, "x"], "a = $1 AND b = $2", [1, "x"]),
    ("a = $2 AND b = $1 OR c = $2", [1, 2], "a = $1 AND b = $2 OR c = $3", [2, 1, 2]),
    ("'?' \"?\" `?` -- ?\n /* ? */ ?", [1], "'?' \"?\" `?` -- ?\n /* ? */ $1", [1]),
    ("a = 'it''s ?' AND b = ?", [1], "a = 'it''s ?' AND b = $1", [1]),
    ("DO $$ SELECT ? $$, $x$ $1 $x$, ?", [1], "DO $$ SELECT ? $$, $x$ $1 $x$, $1", [1]),
    ("tags ? 'a' AND id = $1", [1], "tags ? 'a' AND id = $1", [1]),
    ("id IN (?) AND x = ?", [[1, 2, 3], 4], "id IN ($1, $2, $3) AND x = $4", [1, 2, 3, 4]),
    ("id IN (?)", [[]], "id IN (NULL)", []),
    ("id = ANY($1)", [[1, 2]], "id = ANY($1)", [[1, 2]]),
    ("x::text = ?", [1], "x::text = $1", [1]),
])  # fmt: skip
def test_placeholders(sql: str, given: list[Any], expected: str, params: list[Any]) -> None:
    assert bound(sql, given, dollar) == (expected, params)


@pytest.mark.parametrize(("sql", "given", "reason"), [
    ("a = ?", [], "asks for parameter 1, and there are 0"),
    ("a = $3", [1], "asks for parameter 3"),
    ("a = $0", [1], "asks for parameter 0"),
    ("a = ?", [1, 2], "there are 2 parameters, and the SQL asks for 1"),
    ("a = $2", [1, 2], "there are 2 parameters, and the SQL asks for 1"),
])  # fmt: skip
def test_parameters_that_do_not_fit(sql: str, given: list[Any], reason: str) -> None:
    with pytest.raises(OutsideFailed, match=reason):
        bound(sql, given, dollar)


def test_what_the_driver_would_take_for_a_placeholder_is_escaped() -> None:
    sql, _ = bound("a LIKE 'x%' AND b = ? AND c = 5 % 2", [1], lambda _: "%s", lambda text: text.replace("%", "%%"))
    assert sql == "a LIKE 'x%%' AND b = %s AND c = 5 %% 2"


@pytest.mark.parametrize(("dsn", "expected"), [
    ("root:root@tcp(127.0.0.1:3306)/test", Address("127.0.0.1", 3306, "root", "root", "test")),
    ("u:p@ss:(w)/rd@tcp(db:1)/a?b=c&tls=true", Address("db", 1, "u", "p@ss:(w)/rd", "a", {"b": "c", "tls": "true"})),
    ("u@tcp(db)/", Address("db", 3306, "u")),
    ("u@tcp([::1]:5)/a", Address("::1", 5, "u", "", "a")),
    ("u@unix(/run/x.sock)/a", Address("", 0, "u", "", "a", socket="/run/x.sock")),
    ("/a", Address("127.0.0.1", 3306, "", "", "a")),
])  # fmt: skip
def test_addresses_of_mysql(dsn: str, expected: Address) -> None:
    assert mysql_address(dsn) == expected


@pytest.mark.parametrize(("dsn", "expected"), [
    ("postgres://u:p%40@db:1/a?sslmode=disable", Address("db", 1, "u", "p@", "a", {"sslmode": "disable"})),
    ("postgresql://db/a", Address("db", 5432, "", "", "a")),
    ("host=db port=1 user=u password='a \\'b' dbname=x a=b", Address("db", 1, "u", "a 'b", "x", {"a": "b"})),
    ("user=u", Address("127.0.0.1", 5432, "u", "", "u")),
])  # fmt: skip
def test_addresses_of_postgres(dsn: str, expected: Address) -> None:
    assert postgres_address(dsn) == expected


@pytest.mark.parametrize("dsn", ["", "x", "mysql://a/b", "host=a; drop", "postgres://db", "port=x user=u"])
def test_what_is_no_address_of_postgres(dsn: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        postgres_address(dsn)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("dsn", ["", ":memory:", "file::memory:?cache=shared", "file:x?mode=memory"])
def test_memory_is_no_file(dsn: str) -> None:
    with pytest.raises(ValueError, match="must be a file"):
        sqlite_file(dsn)
    assert sqlite_file("sqlite:///a/b.db") == "a/b.db"
