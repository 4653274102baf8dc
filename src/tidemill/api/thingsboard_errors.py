"""Errors as ThingsBoard's clients read them, where it is its addresses that they call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFIXES = ("/api/ruleChain", "/api/auth/login")

_CODES: Mapping[int, int] = {400: 31, 401: 10, 403: 20, 404: 32, 409: 35, 429: 33}
_GENERAL, _EXPIRED = 2, 11


def is_thingsboard(path: str) -> bool:
    return path.startswith(PREFIXES)


def thingsboard_body(body: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    """Of one of Tidemill's own: what it says in ThingsBoard's keys, and the findings beside that."""
    status = body["status"]
    code = _EXPIRED if body.get("error") == "EXPIRED_TOKEN" else _CODES.get(status, _GENERAL)
    shown = {"status": status, "message": body["message"], "errorCode": code, "timestamp": now_ms}
    return shown | {key: body[key] for key in ("instance", "validationErrors", "error") if key in body}
