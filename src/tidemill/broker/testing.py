"""The pytest plugin, there as soon as Tidemill is installed: fixture `tidemill_broker`. Must stay cheap to import."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tidemill.broker import running


@pytest.fixture
def tidemill_broker() -> Iterator[str]:
    """`host:port` of an embedded broker of this test's own: empty, in a temporary folder, gone after the test."""
    with running() as address:
        yield address
