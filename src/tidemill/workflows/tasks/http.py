"""http: a call to a web service. The task waits in a queue of its own; the runner in `workflows.calls` makes the call.

Pure: says what the request is and what its response means, and sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import msgspec

from tidemill.core.codec import from_json, to_json
from tidemill.core.http import CallFailed, HttpRequest, HttpResponse
from tidemill.expressions.template import Template, as_text, compile_template
from tidemill.workflows.effects import ReportedStatus, UpdateTask
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Directive, Queue
from tidemill.workflows.tasks.kind import Context, Example, TaskKind

HTTP_QUEUE = "tidemill:http"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
TIMEOUT_MS = 3_000
"""Where the task says nothing: to connect, and then to wait for the next bytes."""
TIMEOUT_MS_MAX = 600_000

_SHOWN_MAX = 1_000
"""Bytes of a refusal that its reason repeats; the output has all of it."""
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


class HttpSettings(msgspec.Struct, frozen=True):
    """Templates over the task's rendered input, not over the execution: where in the input each part of the
    request stands. So what is sent is what the task shows as its input. Timeouts are in milliseconds."""

    uri: Template
    method: Template | None = None
    headers: Template | None = None
    body: Template | None = None
    accept: Template | None = None
    content_type: Template | None = None
    connect_timeout_ms: Template | None = None
    read_timeout_ms: Template | None = None
    is_async_complete: bool = False


class HttpTask(TaskKind):
    """Output: `response` with `statusCode`, `reasonPhrase`, `headers` (each a list of values) and `body` (JSON as its
    value, everything else as text)."""

    name = "http"
    summary = "Calls a web service; any status 2xx completes the task."
    config = HttpSettings
    is_polled = True
    lease_ms = 10_000
    is_cacheable = True
    example = Example(
        settings=HttpSettings(compile_template("${uri}"), method=compile_template("${method}")),
        input={"uri": "https://example.org/stock/17", "method": "GET"},
        directive=Queue(HTTP_QUEUE),
    )

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        return Queue(HTTP_QUEUE)


def request_of(settings: HttpSettings, given: Any) -> HttpRequest:
    """The request that a task's input stands for. Raises `ValueError` with a sentence for people."""

    def value(template: Template | None) -> Any:
        return None if template is None else template.render(given)

    uri = value(settings.uri)
    if not isinstance(uri, str) or not uri.strip():
        raise ValueError("the request has no uri")
    method = str(value(settings.method) or "GET").upper()
    if method not in METHODS:
        raise ValueError(f"the method must be one of {', '.join(METHODS)}, not {method[:50]!r}")
    headers = list(_headers(value(settings.headers)))
    named = {name.lower() for name, _ in headers}
    accept = value(settings.accept)
    if "accept" not in named:
        headers.append(("Accept", _joined(accept) if accept else "*/*"))
    body = value(settings.body)
    content_type = next((text for name, text in headers if name.lower() == "content-type"), None)
    if content_type is None:
        content_type = _joined(value(settings.content_type) or _JSON)
        if body is not None:
            headers.append(("Content-Type", content_type))
    return HttpRequest(
        uri.strip(),
        method,
        tuple(headers),
        _body(body, content_type),
        _timeout_s(value(settings.connect_timeout_ms), "connection"),
        _timeout_s(value(settings.read_timeout_ms), "read"),
    )


def _headers(value: Any) -> Iterator[tuple[str, str]]:
    """A header that is null is none; one that is a list comes once per item."""
    if value is None:
        return
    if not isinstance(value, dict):
        raise ValueError(f"the request's headers must be an object, not {type(value).__name__}")
    for name, item in value.items():
        for each in item if isinstance(item, list) else [item]:
            if each is not None:
                yield _fit(str(name)), _fit(as_text(each))


def _fit(text: str) -> str:
    """A line break in a header would begin another one."""
    if any(sign in text for sign in "\r\n\0"):
        raise ValueError("a header of the request has a line break or a NUL character in it")
    return text


def _joined(value: Any) -> str:
    """`accept` and `contentType` may be lists."""
    return _fit(", ".join(as_text(each) for each in value) if isinstance(value, list) else as_text(value))


def _body(value: Any, content_type: str) -> bytes | None:
    """Text as it is, an object of a form as a form, everything else as JSON."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and content_type.lower().startswith(_FORM):
        return urlencode({name: as_text(item) for name, item in value.items() if item is not None}).encode()
    return to_json(value)


def _timeout_s(value: Any, name: str) -> float:
    """Conductor's clients send numbers as texts too; 0 and null are the default."""
    if isinstance(value, str):
        try:
            value = float(value) if value.strip() else None
        except ValueError:
            raise ValueError(f"the {name} timeout must be a number of milliseconds, not {value[:50]!r}") from None
    if value is None or value == 0:
        return TIMEOUT_MS / 1000
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= TIMEOUT_MS_MAX:
        raise ValueError(f"the {name} timeout must be 1 to {TIMEOUT_MS_MAX} ms, not {as_text(value)[:50]}")
    return value / 1000


def answered(settings: HttpSettings, task_id: str, response: HttpResponse) -> UpdateTask:
    """What a response makes of its task. Retries are the step's own, whatever the status."""
    output = {"response": _shown(response)}
    if not 200 <= response.status < 300:
        said = response.body[:_SHOWN_MAX].decode(errors="replace").strip()
        reason = f"{response.status} {response.reason}".strip()
        return UpdateTask("FAILED", task_id, output=output, reason=f"{reason}: {said}" if said else reason)
    if settings.is_async_complete:
        # A longer lease, and no wait after it: the task has left its queue, and somebody else will end it.
        return UpdateTask("IN_PROGRESS", task_id, output=output, extend_lease=True)
    return UpdateTask("COMPLETED", task_id, output=output)


def unanswered(task_id: str, failure: CallFailed) -> UpdateTask:
    status: ReportedStatus = "FAILED_WITH_TERMINAL_ERROR" if failure.is_terminal else "FAILED"
    return UpdateTask(status, task_id, output={}, reason=str(failure))


def _shown(response: HttpResponse) -> dict[str, Any]:
    headers: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for name, value in response.headers:
        headers.setdefault(names.setdefault(name.lower(), name), []).append(value)
    content_type = next((values[-1] for name, values in headers.items() if name.lower() == "content-type"), "")
    return {
        "statusCode": response.status,
        "reasonPhrase": response.reason,
        "headers": headers,
        "body": _value(response, content_type.partition(";")[0].strip().lower()),
    }


def _value(response: HttpResponse, media_type: str) -> Any:
    """JSON as its value, also where the service calls it something else; everything else as text."""
    body = response.body
    if not body:
        return None
    if media_type.endswith(("/json", "+json")) or body.lstrip()[:1] in (b"{", b"["):
        try:
            return from_json(body)
        except ValueError:
            pass  # it is text then, whatever it was called
    try:
        return body.decode(response.charset or "utf-8", errors="replace")
    except LookupError:
        return body.decode(errors="replace")
