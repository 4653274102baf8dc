"""Fixtures for the real parts. What a machine lacks is skipped by name here, and is a failure with CI=true."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.parts.folder import prefer_memory
from tidemill.core import logs

pytest_plugins = ["tests.parts.mariadb", "tests.parts.mosquitto", "tests.parts.postgres", "tests.parts.kafka"]

# How fast examples are made says something about the machine, nothing about us.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Where several processes share the tests, a file that takes minutes and comes last keeps all but one of them waiting.
SLOWEST_FIRST = ("faults", "acceptance", "integration", "conformance", "unit")
TESTS = Path(__file__).parent


def pytest_configure() -> None:
    prefer_memory()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: SLOWEST_FIRST.index(item.path.relative_to(TESTS).parts[0]))


@pytest.fixture(autouse=True)
def logs_as_they_were(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that is called within a test sets up logs for its process: not for all tests after it."""
    before = structlog.get_config()
    monkeypatch.setattr(logs, "CACHED", False)
    yield
    structlog.configure(**before)
