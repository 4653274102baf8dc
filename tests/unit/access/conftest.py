"""Access over fakes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.access import AccessRoom


@pytest.fixture
def room() -> Iterator[AccessRoom]:
    room = AccessRoom()
    yield room
    room.close()
