"""A rig on each database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.rig import Rig
from tests.parts.kafka import KafkaServer


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str | None:
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("postgres").url(f"faults_{uuid.uuid4().hex[:8]}")
    return url


@pytest.fixture
def rig(kafka: KafkaServer, database: str | None, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(kafka, tmp_path, database)
    yield rig
    rig.close()
