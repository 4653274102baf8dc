"""What is refused in the text of a jq query, and where."""

from __future__ import annotations

import pytest

from tidemill.sandbox.jq_text import forbidden


@pytest.mark.parametrize(
    "source",
    [
        ".env",
        ".a.input",
        '."env"',
        '.["input"]',
        "{env: 1}",
        "{a: 1, input: 2}",
        "{env}",
        "{a, env}",
        '"env"',
        '"\\"env"',
        '"a \\(.env) env"',
        "# env",
        "environment",
        "my_input",
        "$environment",
        ". as {input: $x} | $x",
        '@json "env"',
        "",
    ],
)
def test_what_only_looks_like_it_is_allowed(source: str) -> None:
    assert forbidden(source) is None


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("env", 1, 1),
        ("$ENV", 1, 1),
        ("$ ENV", 1, 1),
        (".a | input", 1, 6),
        ("{a: env}", 1, 5),
        ("{(env): 1}", 1, 3),
        ("{$ENV}", 1, 2),
        ("{a: 1} | env", 1, 10),
        ("[1, input]", 1, 5),
        ("{a: [1, input]}", 1, 9),
        ('"\\(env)"', 1, 4),
        ('"\\("x" + env)"', 1, 10),
        ('"\\({a: 1} | env)"', 1, 13),
        ("# no\nenv", 2, 1),
        ('# no \\\n"\nenv', 3, 1),
        ('"#" | env', 1, 7),
        ('import "a" as a; 1', 1, 1),
        ("1\n  | halt_error(1)", 2, 5),
    ],
)
def test_what_reaches_outside_is_found(source: str, line: int, column: int) -> None:
    found = forbidden(source)
    assert found is not None
    assert (found.line, found.column) == (line, column)


@pytest.mark.parametrize("source", ['"', '"\\(', ")", "}}}", '"\\', "{", "\\", "é😀"])
def test_a_broken_text_is_read_to_its_end(source: str) -> None:
    assert forbidden(source) is None
