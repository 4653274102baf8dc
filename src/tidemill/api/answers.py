"""The few shapes of an answer. Values are encoded by msgspec, never walked by a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Response

from tidemill.core.codec import from_json, to_json
from tidemill.core.definitions import Definition

_JSON = (b"content-type", b"application/json")
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


class Answer(Response):
    """Of bytes that are there, with the headers that it takes: a general one reads each of them several times."""

    def __init__(self, body: bytes, status: int, kind: tuple[bytes, bytes]) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [(b"content-length", b"%d" % len(body)), kind]


def json_answer(value: Any, status: int = 200) -> Response:
    return Answer(to_json(value), status, _JSON)


def text_answer(text: str) -> Response:
    """Ids, as Conductor answers them."""
    return Answer(text.encode(), 200, _TEXT)


def empty_answer(status: int = 200) -> Response:
    return Response(status_code=status)


def saved_answer(saved: Sequence[Definition]) -> Response:
    """Empty, as Conductor's, where all is well; else what there is to say about each: with an error among it, it is
    stored and cannot run."""
    findings = findings_of(saved)
    return json_answer({"findings": findings}) if findings else empty_answer()


def findings_of(saved: Sequence[Definition]) -> dict[str, Any]:
    """By the definition's name; those with none are absent."""
    said = {definition.name: from_json(definition.findings) for definition in saved}
    return {name: findings for name, findings in said.items() if findings}
