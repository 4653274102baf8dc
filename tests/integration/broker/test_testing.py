"""What a test of the user's own gets: the broker in a thread, and the fixture of the plugin."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.parts.server import wait_for
from tidemill.broker import running
from tidemill.core.errors import Unavailable

pytest_plugins = ["pytester"]

TEST_OF_A_USER = """
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

def send(address):
    producer = Producer({"bootstrap.servers": address})
    producer.produce("orders", b"1")
    assert producer.flush(60) == 0
    return set(AdminClient({"bootstrap.servers": address}).list_topics(timeout=60).topics)

def test_one(tidemill_broker):
    assert send(tidemill_broker) == {"orders"}

def test_another_finds_it_empty(tidemill_broker):
    assert set(AdminClient({"bootstrap.servers": tidemill_broker}).list_topics(timeout=60).topics) == set()
"""


def test_the_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST_OF_A_USER)
    result = pytester.runpytest_subprocess("-p", "tidemill.broker.testing", "-p", "no:asyncio")
    result.assert_outcomes(passed=2)


def test_the_fixture_is_there_without_being_named() -> None:
    assert [found.value for found in entry_points(group="pytest11", name="tidemill.broker.testing")] == [
        "tidemill.broker.testing"
    ]


def test_the_plugin_costs_nothing_to_those_who_do_not_use_it() -> None:
    look = "import sys, tidemill.broker.testing; print([name for name in sys.modules if name.startswith('tidemill')])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['tidemill', 'tidemill.broker', 'tidemill.broker.testing']"


def test_what_is_given_a_folder_keeps_it(tmp_path: Path) -> None:
    with running(tmp_path) as address:
        producer = Producer({"bootstrap.servers": address})
        producer.produce("orders", b"1")
        assert producer.flush(60) == 0
    with running(tmp_path) as again:
        assert again == address
        topics = wait_for(lambda: Producer({"bootstrap.servers": again}).list_topics(timeout=60).topics)
        assert set(topics) == {"orders"}


def test_what_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(Unavailable, match=r"no place for the broker's data in .*: File exists"),
        running(tmp_path / "file"),
    ):
        raise AssertionError("it started")
