"""Messages as people give them: RuleGo's JSON is taken apart, everything else is data."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.core.codec import to_json
from tidemill.core.errors import BadInput
from tidemill.rules.given import read_message
from tidemill.rules.shown.views import message_json

NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("text", "data_type"),
    [
        (b'{"temperature": 3}', "JSON"),
        (b"[1]", "JSON"),
        (b"12", "JSON"),
        (b"cold", "TEXT"),
        ("grüß".encode(), "TEXT"),
        (b"\xff\x00", "BINARY"),
        (b'{"data": 1}', "JSON"),
        (b'{"data": "x", "metadata": {}, "device": 7}', "JSON"),
        (b"[" * 100_000, "TEXT"),
    ],
)
def test_what_is_no_message_is_the_data(text: bytes, data_type: str) -> None:
    message = read_message(text, NOW_MS)
    assert (message.data, message.data_type, message.ts_ms) == (text, data_type, NOW_MS)
    assert message.id


def test_a_message_in_rulegos_keys() -> None:
    given = {"ts": 5, "id": "m", "dataType": "TEXT", "type": "T", "data": "warm", "metadata": {"a": "b", "n": 7}}
    message = read_message(to_json(given), NOW_MS)
    assert message_json(message) == {**given, "metadata": {"a": "b", "n": "7"}}


def test_options_go_before_what_the_message_says() -> None:
    given = to_json({"type": "T", "data": "{}", "metadata": {"a": "b", "c": "d"}})
    message = read_message(given, NOW_MS, "OTHER", {"a": "e"})
    assert (message.type, message.metadata, message.data_type) == ("OTHER", {"a": "e", "c": "d"}, "JSON")


def test_data_may_be_written_as_json_itself() -> None:
    assert read_message(b'{"type": "T", "data": {"n": 1}}', NOW_MS).data == b'{"n":1}'


def test_binary_is_hexadecimal_both_ways() -> None:
    message = read_message(b'{"dataType": "BINARY", "data": "00ff"}', NOW_MS)
    assert (message.data, message_json(message)["data"]) == (b"\x00\xff", "00ff")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"dataType": "XML", "data": ""}, "dataType: must be JSON, TEXT or BINARY, not 'XML'"),
        ({"dataType": "BINARY", "data": "xyz"}, "data: must be hexadecimal digits where dataType is BINARY"),
        ({"ts": "soon", "data": ""}, "the message cannot be read: Expected `int`, got `str` - at `$.ts`"),
    ],
)
def test_a_mistake_has_its_place(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_message(to_json(given), NOW_MS)
    assert str(caught.value) == reason
