"""What it takes to add a node: a third party's file and entry point, and here a file and a line; the rest is made."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.rules import RulesRoom, chain
from tests.unit.rules.test_reference import EXAMPLES
from tidemill.graph.message import Message
from tidemill.graph.registry import Registry
from tidemill.rules.listed import LISTED
from tidemill.rules.shown import reference
from tidemill.rules.shown.forms import component_form
from tidemill.rules.shown.reference import page
from tidemill.rules.trial import Trial

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src" / "tidemill"
NODES = SOURCE / "rules" / "nodes"
GUIDE = ROOT / "docs" / "guides" / "write-a-node.md"
TYPE = "x/celsius"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The guide's node, where Python finds it."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    path = tmp_path / "celsius.py"
    path.write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield path
    sys.modules.pop("celsius", None)


async def test_a_third_partys_node_is_its_file_and_its_entry_point(module: Path) -> None:
    """As pip installs them."""
    (points,) = re.findall(r"```toml\n\[project.entry-points.\"(.*?)\"\]\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    installed = module.parent / "celsius-1.0.dist-info"
    installed.mkdir()
    (installed / "entry_points.txt").write_text(f"[{points[0]}]\n{points[1].replace(chr(34), '')}")

    registry = Registry(LISTED)
    assert registry.types().count(TYPE) == 1
    component = registry.get(TYPE)
    assert component is not None
    assert component_form(component)["type"] == TYPE
    trial = Trial(replace(RulesRoom().parts.chains.setup, registry=registry))
    assert await trial.add(chain([{"id": "c", "type": TYPE}]), "warm") == ("warm", [])
    tried = await trial.run("warm", Message("m", 1, "T", b'{"temperature": 212}'))
    assert [(end.relation, end.message.value()) for end in tried.ends] == [("Success", {"temperature": 100.0})]


def test_a_node_of_ours_is_its_file_and_its_line(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make reference` makes its section of the one page that there is: with its test, four files."""
    listed = {**LISTED, TYPE: "celsius"}
    assert Registry(listed, group="none").get(TYPE) is not None
    before = page(EXAMPLES)
    monkeypatch.setattr(reference, "LISTED", listed)
    assert "\n## x/celsius\n" in page(EXAMPLES)
    assert "\n## x/celsius\n" not in before


def test_nothing_else_knows_the_nodes() -> None:
    """Else adding one would touch it, too."""
    name = re.compile(r"\brules\.nodes\b|\brules import nodes\b")
    others = [path for path in SOURCE.rglob("*.py") if NODES not in path.parents]
    assert [path.name for path in others if name.search(path.read_text())] == ["listed.py"]


def test_every_node_is_listed() -> None:
    files = {path.stem for path in NODES.glob("*.py") if re.search(r"^COMPONENT\b", path.read_text(), re.MULTILINE)}
    assert files == {module.rpartition(".")[2] for module in LISTED.values()}
