"""HTTP: a call to a web service."""

from __future__ import annotations

from tidemill.expressions.template import Template, compile_template
from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType
from tidemill.workflows.tasks.http import METHODS, HttpSettings, request_of

_WRAPPER = "http_request"
_KEYS = ("uri", "method", "headers", "body", "accept", "contentType", "connectionTimeOut", "readTimeOut")


def _read(source: Source) -> Draft:
    """The parts of the request stand in the input itself, or in its `http_request`, which may be one expression."""
    prefix = f"{_WRAPPER}." if source.raw(_WRAPPER) is not None else ""
    uri, method, headers, body, accept, content_type, connect, read = (_at(prefix + key) for key in _KEYS)
    is_async = source.fields.flag("asyncComplete") or _given(source, prefix, "asyncComplete") is True
    settings = HttpSettings(uri, method, headers, body, accept, content_type, connect, read, is_async)
    given = source.without()
    if given.is_constant:
        try:
            request_of(settings, given.render(None))
        except ValueError as error:
            source.fields.add(f"inputParameters{'.' + _WRAPPER if prefix else ''}", str(error))
    else:
        _check_parts(source, prefix)
    return Draft("http", given, settings)


def _check_parts(source: Source, prefix: str) -> None:
    """What can be said although something is known only when it runs."""
    if prefix and not isinstance(source.raw(_WRAPPER), dict):
        return
    at = f"inputParameters.{prefix}"
    if _given(source, prefix, "uri") is None:
        source.fields.add(f"{at}uri", "is missing", "missing")
    method = _given(source, prefix, "method")
    if isinstance(method, str) and "${" not in method and method.upper() not in METHODS:
        source.fields.add(f"{at}method", f"must be one of {', '.join(METHODS)}, not {method!r}")


def _given(source: Source, prefix: str, key: str) -> object:
    request = source.raw(_WRAPPER) if prefix else None
    return request.get(key) if isinstance(request, dict) else None if prefix else source.raw(key)


def _at(path: str) -> Template:
    return compile_template(f"${{{path}}}")


HTTP = TaskType(
    "HTTP",
    "Calls a web service; any status 2xx completes the task, everything else fails it.",
    _read,
    keys={"asyncComplete": "true: the response leaves the task in progress, until somebody reports on it"},
    inputs={
        "uri": "where to; required. This and the following may also stand together in `http_request`",
        "method": f"{', '.join(f'`{method}`' for method in METHODS)}; default `GET`",
        "headers": "an object; a list is several headers of that name; `${workflow.secrets.NAME}` is put in late",
        "body": "text as it is, everything else as JSON, or as a form where `contentType` says so",
        "accept": "media types that are wanted",
        "contentType": "of the body; default `application/json`",
        "connectionTimeOut": "milliseconds; default 3000",
        "readTimeOut": "milliseconds; default 3000",
    },
    output={"response": "`statusCode`, `reasonPhrase`, `headers` (lists) and `body` (JSON as its value, else text)"},
    notes="Retries are those of the task definition. A process that dies in the middle of a call gives it back, and "
    "it is made again: the header `Idempotency-Key` is the task's id.",
    takes_secrets=True,
)
