"""The broker alone, as a new user tries it: started, used with the other commands, stopped, started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.parts.certificate import make_certificate

TIMEOUT_S = 120


def tidemill(*arguments: object, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tidemill", *map(str, arguments)],
        input=given,
        env={**os.environ, "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def done(*arguments: object, **options: Any) -> str:
    finished = tidemill(*arguments, **options)
    assert (finished.returncode, finished.stderr) == (0, ""), finished
    return finished.stdout


def refusal(*arguments: object, **options: Any) -> str:
    finished = tidemill(*arguments, **options)
    assert (finished.returncode, finished.stdout) == (1, ""), finished
    assert "Traceback" not in finished.stderr
    return finished.stderr.strip()


@contextmanager
def running(data: Path, *options: object, end: signal.Signals = signal.SIGTERM) -> Iterator[str]:
    """Its address. It must stop cleanly."""
    command = [sys.executable, "-m", "tidemill", "broker", "--data", data, "--port", 0, *options]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        assert line.startswith("A Kafka broker listens on "), line
        yield line.removeprefix("A Kafka broker listens on ").partition(";")[0]
    finally:
        process.send_signal(end)
        _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == (-signal.SIGKILL if end is signal.SIGKILL else 0), errors


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("broker") / "data") as address:
        yield address


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_what_it_was_given_is_there_after_any_end(tmp_path: Path, end: signal.Signals) -> None:
    with running(tmp_path, end=end) as before:
        done("produce", before, "orders", "first", "second")
    with running(tmp_path) as after:
        assert after == before
        assert [row["value"] for row in rows(done("consume", after, "orders", "--json"))] == ["first", "second"]


def test_topics(address: str) -> None:
    done("topics", "create", address, "kept", "--partitions", 3, "--config", "retention.ms=3600000")
    assert "kept 3" in done("topics", "list", address).splitlines()
    assert {"topic": "kept", "partitions": 3} in rows(done("topics", "list", address, "--json"))
    done("produce", address, "kept", "1", "2", "--key", "same")
    (found,) = rows(done("topics", "describe", address, "kept", "--json"))
    assert found["config"] == {"retention.ms": "3600000"}
    assert sorted((part["start"], part["end"]) for part in found["partitions"]) == [(0, 0), (0, 0), (0, 2)]
    shown = done("topics", "describe", address, "kept")
    assert "offsets 0 to 2" in shown
    assert shown.splitlines()[-1] == "retention.ms=3600000"
    assert "already exists" in refusal("topics", "create", address, "kept")
    done("topics", "delete", address, "kept")
    assert "kept 3" not in done("topics", "list", address).splitlines()
    assert refusal("topics", "describe", address, "kept") == "there is no topic 'kept'"
    assert "nknown topic" in refusal("topics", "delete", address, "kept")
    assert refusal("topics", "create", address, "x", "--config", "novalue").startswith("--config is NAME=VALUE")


def test_records_with_all_that_they_have(address: str) -> None:
    done("produce", address, "full", '{"order": 1}', "--key", "ann", "--header", "kind=new", "--header", "empty=")
    done("produce", address, "full", "two", "three")
    assert done("consume", address, "full").splitlines() == [
        'full 0 0 key=ann kind=new empty=: {"order": 1}',
        "full 0 1: two",
        "full 0 2: three",
    ]
    first, *_ = rows(done("consume", address, "full", "--json", "--count", 1))
    assert first.pop("timestamp") > 1_700_000_000_000
    assert first == {
        "topic": "full",
        "partition": 0,
        "offset": 0,
        "key": "ann",
        "headers": [["kind", "new"], ["empty", ""]],
        "value": '{"order": 1}',
    }
    assert done("consume", address, "full", "--from", 1, "--partition", 0, "--count", 1) == "full 0 1: two\n"
    assert done("consume", address, "full", "--from", "end") == ""


def test_what_cannot_be_consumed_is_said(address: str) -> None:
    done("produce", address, "short", "x")
    assert refusal("consume", address, "nowhere") == "There is no topic 'nowhere'. --follow waits for it."
    assert "nowhere" not in done("topics", "list", address)
    assert refusal("consume", address, "short", "--partition", 1).startswith("The topic 'short' has no partition 1")
    assert "ut of range" in refusal("consume", address, "short", "--from", 9, "--partition", 0)
    assert refusal("consume", address, "short", "--from", 9).startswith("an offset is one partition's")
    assert refusal("consume", address, "short", "--from", "x").startswith("--from is beginning, end or an offset")


def test_follow_shows_what_comes_later(address: str) -> None:
    done("produce", address, "later", "first")
    command = [sys.executable, "-m", "tidemill", "consume", address, "later", "--follow", "--json", "--count", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert json.loads(reader.stdout.readline())["value"] == "first"
        done("produce", address, "later", "second")
        assert json.loads(reader.stdout.readline())["value"] == "second"
        assert reader.wait(TIMEOUT_S) == 0


def test_follow_waits_for_a_topic_that_is_not_there_yet(address: str) -> None:
    command = [sys.executable, "-m", "tidemill", "consume", address, "to-come", "--follow", "--count", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None and reader.stderr is not None
        assert reader.stderr.readline() == "There is no topic 'to-come' yet.\n"
        done("produce", address, "to-come", "first")
        assert reader.stdout.readline() == "to-come 0 0: first\n"
        assert reader.wait(TIMEOUT_S) == 0


def test_a_folder_or_a_port_that_is_taken(tmp_path: Path) -> None:
    with running(tmp_path / "one") as address:
        said = refusal("broker", "--data", tmp_path / "one", "--port", 0)
        assert said.startswith("The broker cannot start: another Tidemill process works on ")
        assert "give this broker a directory of its own" in said
        said = refusal("broker", "--data", tmp_path / "two", "--port", address.rpartition(":")[2])
        assert said == f"The broker cannot start: cannot listen on {address}: Address already in use"


def test_users_and_an_address_for_others(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    data = ("--data", tmp_path / "data")
    assert "needs authentication (--sasl) and TLS" in refusal("broker", *data, "--host", "0.0.0.0", "--port", 0)
    both = ("--sasl", "--certificate", certificate, "--key", key)
    assert "there are no users" in refusal("broker", *data, "--host", "0.0.0.0", "--port", 0, *both)
    done("broker-user", "add", "ann", *data, given="sesame\n")
    done("broker-user", "add", "bob", *data, TIDEMILL_BROKER_PASSWORD="x")
    assert "already" in refusal("broker-user", "add", "bob", *data, given="y\n")
    assert done("broker-user", "list", *data).splitlines() == ["ann", "bob"]
    done("broker-user", "remove", "bob", *data)
    assert refusal("broker-user", "remove", "bob", *data) == "there is no user 'bob'"
    with running(tmp_path / "data", "--host", "0.0.0.0", "--advertised-host", "localhost", *both) as address:
        assert address.startswith("localhost:")
