"""The reference says what the task types are now: its pages are those that would be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.workflows.formats.conductor.keys import TYPES_NOT_YET
from tidemill.workflows.formats.conductor.reference import pages, write
from tidemill.workflows.formats.conductor.source import TaskType
from tidemill.workflows.formats.conductor.types import BY_NAME, TYPES

ROOT = Path(__file__).parents[4]
EXAMPLES = ROOT / "examples" / "conductor"
FOLDER = ROOT / "docs" / "reference" / "tasks"


def test_the_pages_are_those_of_now() -> None:
    made = pages(lambda name: (EXAMPLES / name).read_text())
    there = {path.name: path.read_text() for path in FOLDER.iterdir()}
    stale = sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))
    assert stale == [], "run `make reference`"


def test_pages_of_types_that_are_gone_go(tmp_path: Path) -> None:
    (tmp_path / "gone.md").write_text("x")
    write(EXAMPLES, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", *(f"{each.name.lower()}.md" for each in TYPES)}


@pytest.mark.parametrize("each", TYPES, ids=lambda each: each.name)
def test_a_type_says_what_it_is(each: TaskType) -> None:
    assert each.summary.endswith(".")
    assert not each.notes or each.notes.endswith(".")
    assert each.name == each.name.upper()


def test_a_type_is_there_or_it_is_not() -> None:
    assert BY_NAME.keys().isdisjoint(TYPES_NOT_YET)
