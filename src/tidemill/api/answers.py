"""The few shapes of an answer. Values are encoded by msgspec, never walked by a model."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from tidemill.core.codec import to_json


def json_answer(value: Any, status: int = 200) -> Response:
    return Response(to_json(value), status_code=status, media_type="application/json")


def text_answer(text: str) -> Response:
    """Ids, as Conductor answers them."""
    return Response(text, media_type="text/plain")


def empty_answer(status: int = 200) -> Response:
    return Response(status_code=status)
