"""Which TBEL is run as JavaScript, and which is refused."""

from __future__ import annotations

import pytest

from tidemill.rules.scripts.tbel import plain


@pytest.mark.parametrize(
    "script",
    [
        "return msg.temperature > 20;",
        "return {msg: msg, metadata: metadata, msgType: msgType};",
        "return '\\nIncoming message:\\n' + JSON.stringify(msg) + '\\n' + JSON.stringify(metadata);",
        "var t = msg.temperature * 9 + 32; // in F\nmetadata.t = t; return {msg: {f: t}, metadata: metadata};",
        "if (msg.a != null && !(msg.b >= -1.5)) { return ['x', \"foreach (y : z)\"]; } else { return []; }",
        "/* for each */ return msg.items[0].name == 'a' ? ['one'] : ['two'];",
        "return msg.in.size_of;",
    ],
)
def test_what_both_languages_have(script: str) -> None:
    assert plain(script).code == script


def test_equality_is_by_value_and_columns_stay() -> None:
    assert plain("return msg.n === '1' || msg.m !== 2;").code == "return msg.n ==  '1' || msg.m !=  2;"


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("foreach (x : msg.items) { }", "foreach"),
        ("return msg.items.size();", "size"),
        ("return msg.name.contains('a');", "contains("),
        ("return toFixed(msg.t, 2);", "toFixed"),
        ("return msg.a.?b;", ".?"),
        ("return msg.n / 2;", "/"),
        ("return msg.n >>> 2;", ">"),
        ("return msg.n << 2;", "<"),
        ("return msg.n ** 2;", "*"),
        ("return (int)msg.n;", "int"),
        ("return 94d;", "9"),
        ("return 'open;", "'"),
        ("var a = msg.f; return a(1);", "a("),
        ("return msg['f'](1);", "]("),
        ("return JSON.parse('1');", "parse("),
        ("return msg.keys;", "keys"),
        ("return a;", "a"),
        ("for (var i = 0; i < 3; i++) { }", "for"),
    ],
)
def test_what_is_more_than_that_is_refused_with_the_word(script: str, word: str) -> None:
    found = plain(script)
    assert (found.code, found.word) == (None, word)
