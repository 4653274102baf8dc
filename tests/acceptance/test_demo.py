"""The demo, as a new user runs it."""

from __future__ import annotations

import os
import subprocess
import sys


def test_it_shows_both_ways_of_a_record_and_ends() -> None:
    command = [sys.executable, "-m", "tidemill", "demo", "--once", "--records", "20"]
    env = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done
    _, workflow, chain = done.stdout.split("\nrecord kafka-test ")
    assert "event_handler:kafka-event-handler: done, condition true" in workflow
    assert "COMPLETED → record kafka-test topic-name-results" in workflow
    assert "is_warm True → mark Success → to_kafka Success" in chain
    assert "published record kafka-test warm-readings 0 0" in chain
