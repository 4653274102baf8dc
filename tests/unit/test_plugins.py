"""Plugins: a module or a file is imported and registers its processors; one that is broken stops nobody."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.unit.rules.endpoints.kafka_room import KafkaRoom, chain_with, endpoint, router
from tidemill.core.settings import Settings
from tidemill.rules.endpoints import processors
from tidemill.rules.endpoints.builtin import BUILT_IN
from tidemill.rules.endpoints.processors import Processors
from tidemill.rules.plugged import Plugged
from tidemill.server.plugins import load_plugins

GOOD = """
import tidemill

@tidemill.processor("good")
def good(exchange):
    exchange.out.headers["topic"] = "t"
"""


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "PROCESSORS", Plugged("processor", processors.GROUP, BUILT_IN))


def test_files_and_modules_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.py"
    file.write_text(GOOD)
    (tmp_path / "plugin_of_test.py").write_text(GOOD.replace('"good"', '"better"'))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_plugins([str(file), "plugin_of_test"]) == []
    assert Processors().get("good") is not None
    assert Processors().get("better") is not None
    del sys.modules["plugin_of_test"], sys.modules["tidemill_plugin_mine"]


def test_what_cannot_be_imported_is_named_and_the_rest_is_there(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "good.py").write_text(GOOD)
    names = [str(tmp_path / "broken.py"), "no_such_module_anywhere", str(tmp_path / "good.py")]
    assert load_plugins(names) == names[:2]
    assert Processors().get("good") is not None
    assert "tidemill_plugin_broken" not in sys.modules


async def test_a_chain_that_needs_a_broken_plugin_says_so() -> None:
    room = KafkaRoom(processors=Processors(failed_plugins=["mine.py"]))
    (found,) = await room.findings_of(chain_with(endpoint(router(after=["zzz"]))))
    assert found.message == "there is no processor 'zzz' (these plugins could not be loaded: mine.py)"


def test_the_setting_is_a_list_with_commas() -> None:
    assert Settings(plugins="a.b, /x/c.py,").plugin_names == ["a.b", "/x/c.py"]
    assert Settings().plugin_names == []
