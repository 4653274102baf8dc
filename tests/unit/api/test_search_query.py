"""Conductor's query language."""

from __future__ import annotations

import pytest

from tidemill.api.search_query import read_search
from tidemill.core.errors import BadInput, NotSupported
from tidemill.workflows.ports import ExecutionQuery


def read(query: str | None, sort: str | None = None) -> ExecutionQuery:
    return read_search(query, sort, "*", 0, 100)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (None, ExecutionQuery()),
        ("", ExecutionQuery()),
        ("status = COMPLETED", ExecutionQuery(statuses=["COMPLETED"])),
        ("status=COMPLETED", ExecutionQuery(statuses=["COMPLETED"])),
        ("status IN (RUNNING,PAUSED)", ExecutionQuery(statuses=["RUNNING", "PAUSED"])),
        ("workflowType = 'pick and pack'", ExecutionQuery(names=["pick and pack"])),
        ('workflowId IN ("a", "b") AND correlationId = c', ExecutionQuery(ids=["a", "b"], correlation_ids=["c"])),
        ("startTime > 1000 and startTime < 2000", ExecutionQuery(created_from_ms=1001, created_to_ms=1999)),
        ("startTime >= 1000 AND startTime <= 2000", ExecutionQuery(created_from_ms=1000, created_to_ms=2000)),
        ("startTime > '1970-01-01T00:00:01Z'", ExecutionQuery(created_from_ms=1001)),
        ("modifiedTime >= 5 AND updateTime < 9", ExecutionQuery(updated_from_ms=5, updated_to_ms=8)),
        ("endTime > 5 AND endTime > 7", ExecutionQuery(ended_from_ms=8)),
        ("status IN (RUNNING,FAILED) AND status = FAILED", ExecutionQuery(statuses=["FAILED"])),
        ("status = RUNNING AND status = FAILED", ExecutionQuery(statuses=[""])),
    ],
)
def test_reads(query: str | None, expected: ExecutionQuery) -> None:
    assert read(query) == expected


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("stats = RUNNING", "unknown field 'stats'; did you mean 'status'"),
        ("status", "cannot be read from character 1"),
        ("status = RUNNING OR status = FAILED", "AND is expected at character 18"),
        ("status = RUNNING AND", "a condition is missing after AND"),
        ("status > RUNNING", "compared with = and IN only"),
        ("status IN ()", "is empty"),
        ("startTime > yesterday", "needs epoch milliseconds or an ISO time"),
        ("startTime IN (1,2)", "compared with =, <, <=, > and >= only"),
    ],
)
def test_refuses(query: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read(query)


def test_says_what_it_cannot_sort_by() -> None:
    with pytest.raises(NotSupported, match="sorting by correlationId; there is startTime"):
        read(None, "correlationId:DESC")
    with pytest.raises(BadInput, match="neither ASC nor DESC"):
        read(None, "startTime:UP")


@pytest.mark.parametrize(("free_text", "text"), [(None, None), ("*", None), (" ", None), ("'a b'", "a b"), ("x", "x")])
def test_free_text(free_text: str | None, text: str | None) -> None:
    assert read_search(None, None, free_text, 0, 100).text == text


@pytest.mark.parametrize(
    ("sort", "sorted_by", "order"),
    [
        (None, "start", "newest"),
        ("startTime:DESC", "start", "newest"),
        ("startTime:ASC", "start", "oldest"),
        ("startTime", "start", "oldest"),
        ("createTime:asc", "start", "oldest"),
        ("workflowType:ASC", "name", "oldest"),
        ("status:DESC", "status", "newest"),
        ("endTime:DESC", "end", "newest"),
        ("updateTime:DESC", "change", "newest"),
        ("modifiedTime:ASC", "change", "oldest"),
    ],
)
def test_sort(sort: str | None, sorted_by: str, order: str) -> None:
    query = read(None, sort)
    assert (query.sorted_by, query.order) == (sorted_by, order)
