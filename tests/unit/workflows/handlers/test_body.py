"""The decoder: what a body becomes, and that nothing that Kafka can deliver gets past it unharmed or unexplained."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.codec import from_json, pack, to_json
from tidemill.expressions.document import depth
from tidemill.workflows.handlers.body import DEPTH_MAX, SendingProtocol, decode, expand, expanded

BOTH: list[SendingProtocol] = ["String", "JSON"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("protocol", BOTH)
@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (b'{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        (b" 17 ", 17),
        (b'"text"', "text"),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'"a\\u0000b"', "a\x00b"),
        (None, None),
        (b"null", None),
    ],
)
def test_json_is_what_it_says(protocol: SendingProtocol, value: bytes | None, meant: Any) -> None:
    body = decode(value, protocol)
    assert (body.error, body.value) == (None, meant)
    assert from_json(body.raw) == meant


@pytest.mark.parametrize(
    "text", ["hello", "", "{not json", "NaN", "a\x00b", '"a\x00b"', "\ufeff{}", "grün", "1e999", '"\\ud800"']
)
def test_with_string_a_body_that_is_no_json_is_the_text(text: str) -> None:
    body = decode(text.encode(), "String")
    assert (body.error, body.value) == (None, text)
    assert from_json(body.raw) == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "the body is empty, and the integration's sending protocol is JSON"),
        (b"  \n", "the body is empty"),
        (b"hello", "the body is not JSON: JSON is malformed"),
        (b'{"a": 1', "the body is not JSON: Input data was truncated"),
        (b'{"a": "\xff"}', "the body is not UTF-8: invalid start byte at byte 7"),
    ],
)
def test_with_json_the_reason_is_told(value: bytes, reason: str) -> None:
    error = decode(value, "JSON").error
    assert error is not None and error.startswith(reason)


@pytest.mark.parametrize("value", [b"\xff\xfe", b'{"a": "\xff"}', "ü".encode("latin-1"), b"\x00\x00\x00\x00\x05\x80"])
def test_with_string_broken_utf8_is_invalid(value: bytes) -> None:
    error = decode(value, "String").error
    assert error is not None and error.startswith("the body is neither JSON nor UTF-8 text: ") and "at byte" in error


@pytest.mark.parametrize("protocol", BOTH)
@pytest.mark.parametrize("levels", [DEPTH_MAX + 1, 1_000, 100_000])
def test_json_beyond_the_depth_is_invalid(protocol: SendingProtocol, levels: int) -> None:
    assert decode(b"[" * levels + b"]" * levels, protocol).error == "the JSON is nested deeper than 200 levels"


def test_many_lists_beside_each_other_are_not_deep() -> None:
    body = decode(to_json([[{}] for _ in range(1_000)]), "JSON")
    assert body.error is None and len(body.value) == 1_000


def test_five_megabytes() -> None:
    text = "x" * 5_000_000
    assert decode(to_json({"a": text}), "JSON").value == {"a": text}
    assert decode(text.encode(), "String").value == text


def test_whole_numbers_beyond_64_bits_become_floats() -> None:
    body = decode(b'{"a": [18446744073709551615, 18446744073709551616, -9223372036854775809]}', "JSON")
    assert body.value == {"a": [18446744073709551615, 1.8446744073709552e19, -9.223372036854775808e18]}
    assert isinstance(body.value["a"][1], float)


def test_expanding_reads_json_inside_texts_at_any_depth() -> None:
    inner = json.dumps({"b": json.dumps([1, "{"])})
    body = decode(to_json({"a": inner, "plain": "[x", "n": 1}), "JSON")
    assert body.value["a"] == inner
    assert expanded(body).value == {"a": {"b": [1, "{"]}, "plain": "[x", "n": 1}
    assert from_json(expanded(body).raw) == expanded(body).value


def test_a_body_without_json_inside_is_not_copied() -> None:
    body = decode(b'{"a": "b", "c": [1]}', "JSON")
    assert expanded(body) is body


def test_expanding_ends() -> None:
    text = "[" * 150 + "]" * 150
    for _ in range(4):
        text = json.dumps([text])
    assert depth(expand([text])) <= DEPTH_MAX + 1


@given(st.binary() | st.text().map(str.encode), st.sampled_from(BOTH))
def test_never_an_exception(value: bytes, protocol: SendingProtocol) -> None:
    body = decode(value, protocol)
    if body.error is None:
        assert from_json(body.raw) == body.value or isinstance(body.value, float)
        pack(expanded(body).value)


@given(json_values, st.sampled_from(BOTH))
def test_any_json_can_be_stored_and_expanded(value: Any, protocol: SendingProtocol) -> None:
    body = decode(json.dumps(value).encode(), protocol)
    if body.error is None:
        pack(body.value)
        to_json(body.value)
        # Whole numbers beyond 64 bits become floats, which JSON's text of them need not equal as Python's do.
        assert decode(expanded(body).raw, protocol).value == expanded(body).value
