"""The one place where an exception becomes an answer: status code and Conductor's body, or that of ThingsBoard where
its clients call. A 5xx shows no internals."""

from __future__ import annotations

import http
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from tidemill.api.answers import json_answer
from tidemill.api.thingsboard_errors import is_thingsboard, thingsboard_body
from tidemill.core.clock import Clock
from tidemill.core.errors import (
    BadInput,
    Conflict,
    Forbidden,
    Full,
    NotFound,
    NotSupported,
    StaleWrite,
    TidemillError,
    Unauthenticated,
    Unavailable,
)
from tidemill.core.ids import new_id

log = structlog.get_logger(__name__)

STATUS: Mapping[type[TidemillError], int] = {
    BadInput: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Full: 429,
    NotSupported: 501,
    Unavailable: 503,
    StaleWrite: 503,
}
UNAVAILABLE = "a part that Tidemill needs is away; try again"
INTERNAL = "internal error; the server's log has it under this instance"


def status_of(error: TidemillError) -> int:
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def error_body(
    status: int,
    message: str,
    instance: str,
    validation_errors: Sequence[Mapping[str, Any]] = (),
    code: str | None = None,
) -> dict[str, Any]:
    """Conductor's error body. `code` is what its SDK looks at to sign in anew."""
    body: dict[str, Any] = {
        "status": status,
        "message": message,
        "instance": instance,
        "retryable": status in (429, 503),
    }
    if validation_errors:
        body["validationErrors"] = validation_errors
    if code is not None:
        body["error"] = code
    return body


class ErrorAnswers:
    """The handlers. `instance` is an id of the answer; the log line of a 5xx carries it too."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def install(self, app: FastAPI) -> None:
        app.add_exception_handler(TidemillError, self.ours)
        app.add_exception_handler(HTTPException, self.http)
        app.add_exception_handler(RequestValidationError, self.parameters)
        app.add_exception_handler(Exception, self.unexpected)

    async def ours(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, TidemillError)
        status, instance = status_of(error), self._instance()
        message, code = str(error), None
        findings: Sequence[Mapping[str, Any]] = ()
        if status == 503:
            log.warning("request failed, the world is away", instance=instance, path=request.url.path, error=message)
            message = UNAVAILABLE
        elif status == 500:
            log.error("request failed", instance=instance, path=request.url.path, exc_info=error)
            message = INTERNAL
        if isinstance(error, BadInput):
            findings = [finding.as_json() for finding in error.findings]
        if isinstance(error, Unauthenticated):
            code = error.code
        return self._answer(request, error_body(status, message, instance, findings, code))

    async def http(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail = _unrouted(error.status_code, request) or error.detail or http.HTTPStatus(error.status_code).phrase
        answer = self._answer(request, error_body(error.status_code, detail, self._instance()))
        answer.headers.update(error.headers or {})
        return answer

    async def parameters(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        findings = [
            {"path": ".".join(map(str, item["loc"])), "message": item["msg"], "kind": "parameter", "level": "error"}
            for item in error.errors()
        ]
        message = "; ".join(f"{finding['path']}: {finding['message']}" for finding in findings)
        return self._answer(request, error_body(400, message, self._instance(), findings))

    async def unexpected(self, request: Request, error: Exception) -> Response:
        instance = self._instance()
        log.error("request failed", instance=instance, path=request.url.path, exc_info=error)
        return self._answer(request, error_body(500, INTERNAL, instance))

    def _answer(self, request: Request, body: Mapping[str, Any]) -> Response:
        is_theirs = is_thingsboard(request.url.path)
        return json_answer(thingsboard_body(body, self._clock.now_ms()) if is_theirs else body, body["status"])

    def _instance(self) -> str:
        return new_id(self._clock.now_ms())


def _unrouted(status: int, request: Request) -> str | None:
    """The sentence for an address that no route has: the server's own words are two."""
    if status == 404:
        return f"there is nothing at {request.url.path}"
    return f"{request.url.path} takes no {request.method}" if status == 405 else None
