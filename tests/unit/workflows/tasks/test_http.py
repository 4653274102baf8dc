"""What a task's input means as a request."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.core.http import CallFailed, HttpRequest, HttpResponse
from tidemill.expressions.template import compile_template
from tidemill.workflows.effects import UpdateTask
from tidemill.workflows.tasks.http import HttpSettings, answered, request_of, unanswered

SETTINGS = HttpSettings(
    compile_template("${r.uri}"),
    method=compile_template("${r.method}"),
    headers=compile_template("${r.headers}"),
    body=compile_template("${r.body}"),
    accept=compile_template("${r.accept}"),
    content_type=compile_template("${r.contentType}"),
    connect_timeout_ms=compile_template("${r.connect}"),
    read_timeout_ms=compile_template("${r.read}"),
)


def _request(**given: Any) -> HttpRequest:
    return request_of(SETTINGS, {"r": {"uri": "http://a/b", **given}})


def test_a_uri_is_enough() -> None:
    assert _request() == HttpRequest("http://a/b", "GET", (("Accept", "*/*"),), None, 3, 3)
    assert request_of(HttpSettings(compile_template("http://a/b")), {}) == _request()


def test_everything_that_a_task_can_say() -> None:
    request = _request(
        uri=" http://a/b ",
        method="post",
        headers={"X": ["1", "2"], "N": 3, "Nothing": None, "Content-Type": "text/x"},
        accept=["text/plain", "text/html"],
        contentType="ignored/since-a-header-says-it",
        body="hi",
        connect="250",
        read=1500,
    )
    headers = (("X", "1"), ("X", "2"), ("N", "3"), ("Content-Type", "text/x"), ("Accept", "text/plain, text/html"))
    assert request == HttpRequest("http://a/b", "POST", headers, b"hi", 0.25, 1.5)


@pytest.mark.parametrize(
    ("body", "content_type", "sent"),
    [
        (None, None, None),
        ({"b": 1, "a": [2]}, None, b'{"b":1,"a":[2]}'),
        (17, None, b"17"),
        ("text", "text/plain", b"text"),
        ({"a": "x y", "n": 2, "none": None}, "application/x-www-form-urlencoded; charset=UTF-8", b"a=x+y&n=2"),
    ],
)
def test_a_body_is_sent_as_its_content_type_says(body: Any, content_type: str | None, sent: bytes | None) -> None:
    request = _request(body=body, contentType=content_type)
    assert request.body == sent
    named = dict(request.headers).get("Content-Type")
    assert named == (None if sent is None else content_type or "application/json")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"uri": None}, "no uri"),
        ({"uri": " "}, "no uri"),
        ({"uri": 3}, "no uri"),
        ({"method": "BREW"}, "the method must be one of"),
        ({"headers": [1]}, "must be an object"),
        ({"headers": {"a": "b\r\nc: d"}}, "line break"),
        ({"headers": {"a\n": "b"}}, "line break"),
        ({"accept": "a\r\nb"}, "line break"),
        ({"connect": "soon"}, "the connection timeout must be a number"),
        ({"read": -1}, "the read timeout must be 1 to"),
        ({"read": True}, "the read timeout must be 1 to"),
        ({"read": 10**9}, "the read timeout must be 1 to"),
        ({"read": "nan"}, "the read timeout must be 1 to"),
    ],
)
def test_what_is_no_request_is_refused_with_a_sentence(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        _request(**given)


@pytest.mark.parametrize("nothing", [0, None, "", "0"])
def test_no_timeout_is_the_usual_one(nothing: Any) -> None:
    assert _request(connect=nothing, read=nothing) == _request()


def _body(body: bytes, content_type: str, charset: str | None = None) -> Any:
    response = HttpResponse(200, "OK", (("Content-Type", content_type),), body, charset)
    return answered(SETTINGS, "x.1", response).output["response"]["body"]


def test_a_response_is_shown_whole() -> None:
    headers = (("Content-Type", "application/json; charset=utf-8"), ("Set-Cookie", "a"), ("set-cookie", "b"))
    report = answered(SETTINGS, "x.1", HttpResponse(201, "Created", headers, b'{"z":1,"a":18446744073709551615}'))
    assert report == UpdateTask(
        "COMPLETED",
        "x.1",
        output={
            "response": {
                "statusCode": 201,
                "reasonPhrase": "Created",
                "headers": {"Content-Type": ["application/json; charset=utf-8"], "Set-Cookie": ["a", "b"]},
                "body": {"z": 1, "a": 18446744073709551615},
            }
        },
    )
    assert list(report.output["response"]["body"]) == ["z", "a"]


@pytest.mark.parametrize(
    ("body", "content_type", "charset", "value"),
    [
        (b"", "application/json", None, None),
        (b"17", "text/plain", None, "17"),
        (b"17", "application/problem+json", None, 17),
        (b' {"a": 1}', "text/html", None, {"a": 1}),
        (b"{half", "application/json", None, "{half"),
        (b"[" * 100_000, "application/json", None, "[" * 100_000),
        ("ä".encode("latin-1"), "text/plain", "latin-1", "ä"),
        ("ä".encode("latin-1"), "text/plain", None, "\ufffd"),
        ("ä".encode(), "text/plain", "no such charset", "ä"),
    ],
)
def test_a_body_is_its_value_or_text(body: bytes, content_type: str, charset: str | None, value: Any) -> None:
    assert _body(body, content_type, charset) == value


def test_any_other_status_fails_with_what_the_service_says() -> None:
    report = answered(SETTINGS, "x.1", HttpResponse(404, "Not Found", (), b"no such order"))
    assert (report.status, report.reason) == ("FAILED", "404 Not Found: no such order")
    assert report.output["response"]["statusCode"] == 404
    assert answered(SETTINGS, "x.1", HttpResponse(304, "Not Modified", (), b"")).reason == "304 Not Modified"
    long = answered(SETTINGS, "x.1", HttpResponse(500, "", (), b"x" * 10_000))
    assert long.reason is not None and len(long.reason) < 1_100


def test_an_asynchronous_call_stays_in_progress_once_it_has_been_accepted() -> None:
    settings = HttpSettings(compile_template("http://a"), is_async_complete=True)
    report = answered(settings, "x.1", HttpResponse(202, "Accepted", (), b""))
    assert (report.status, report.extend_lease) == ("IN_PROGRESS", True)
    assert answered(settings, "x.1", HttpResponse(500, "", (), b"")).status == "FAILED"


@pytest.mark.parametrize(("is_terminal", "status"), [(False, "FAILED"), (True, "FAILED_WITH_TERMINAL_ERROR")])
def test_no_response_is_a_failure_too(is_terminal: bool, status: str) -> None:
    report = unanswered("x.1", CallFailed("nobody there", is_terminal=is_terminal))
    assert (report.status, report.reason) == (status, "nobody there")
