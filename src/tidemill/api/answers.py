"""The few shapes of an answer. Values are encoded by msgspec, never walked by a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Response

from tidemill.core.codec import from_json, to_json
from tidemill.core.definitions import Definition


def json_answer(value: Any, status: int = 200) -> Response:
    return Response(to_json(value), status_code=status, media_type="application/json")


def text_answer(text: str) -> Response:
    """Ids, as Conductor answers them."""
    return Response(text, media_type="text/plain")


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
