"""What of a text is secret."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from tidemill.graph.secret import by_name, covered, in_address, whole


@pytest.mark.parametrize(
    ("spans", "key", "text", "found"),
    [
        (whole, "password", "x", ["x"]),
        (whole, "password", "", []),
        (whole, "password", "${secrets.mail}", []),
        (whole, "password", "a${vars.b}", ["a"]),
        (whole, "password", "a ${vars.b} - ${vars.c} d", ["a ", " d"]),
        (whole, "password", "!?", ["!?"]),
        (by_name, "Authorization", "Bearer abc", ["abc"]),
        (by_name, "Authorization", "Bearer ${secrets.key}", []),
        (by_name, "Authorization", "$[token]", []),
        (by_name, "authorization", "Basic ", []),
        (by_name, "X-Api-Key", "k", ["k"]),
        (by_name, "Set-Cookie", "session=1", ["session=1"]),
        (by_name, "Content-Type", "text/plain; charset=utf-8", []),
        (by_name, "sasl.jaas.config", 'a.Module required username="me" password="a\\"b";', ['a\\"b']),
        (by_name, "ssl.keystore.password", "x", ["x"]),
        (in_address, "dsn", "root:ro@ot@tcp(127.0.0.1:3306)/test", ["ro@ot"]),
        (in_address, "dsn", "root:x@/test", ["x"]),
        (in_address, "dsn", "postgres://u:p@h/d?password=x&sslmode=require", ["p", "x"]),
        (in_address, "dsn", "postgres://u:p/w#@h/d", ["p/w#"]),
        (in_address, "dsn", "host=a user=b password='x y' dbname=c", ["x y"]),
        (in_address, "dsn", "devices.db", []),
        (in_address, "url", "https://h:80/x?access_token=abc&t=${msg.a}@b", ["abc"]),
        (in_address, "url", "https://h/?token=${metadata.token}", []),
        (in_address, "url", "https://${vars.u}:${vars.p}@h/", []),
        (in_address, "url", "https://u:x${vars.p}@h/?key=1&token=${vars.p}y", ["x", "y"]),
        (in_address, "url", "https://h/users/@me", []),
        (in_address, "server", "kafka:9092,other:9092", []),
    ],
)
def test_what_is_secret(
    spans: Callable[[str, str], Iterable[tuple[int, int]]], key: str, text: str, found: list[str]
) -> None:
    assert [text[begin:end] for begin, end in sorted(spans(key, text))] == found


def test_what_is_told_has_no_secret_in_it() -> None:
    assert covered("refused: long secret, secret, a", {"secret", "long secret", "a"}) == "refused: ***, ***, a"
