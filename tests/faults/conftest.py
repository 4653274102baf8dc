"""A rig on each broker and database that goes with it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.rig import POSTGRES, SQLITE, Parts, Rig
from tests.parts.broker import BrokerServer


@pytest.fixture(params=[*SQLITE, *POSTGRES])
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Parts]:
    broker, _, database = str(request.param).partition("-")
    url = None
    if database == "postgres":
        url = request.getfixturevalue("postgres").url(f"faults_{uuid.uuid4().hex[:8]}")
    if broker == "apache":
        yield Parts(request.getfixturevalue("kafka"), url)
        return
    embedded = BrokerServer(tmp_path / "broker")
    embedded.start()
    yield Parts(embedded, url)
    embedded.kill()


@pytest.fixture
def rig(parts: Parts, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(parts, tmp_path)
    yield rig
    rig.close()
