"""The reference says what the task types are now: its page is the one that would be made. What adding one touches."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tidemill.workflows.formats.conductor.keys import TYPES_NOT_YET
from tidemill.workflows.formats.conductor.reference import page
from tidemill.workflows.formats.conductor.source import TaskType
from tidemill.workflows.formats.conductor.types import BY_NAME, TYPES

ROOT = Path(__file__).parents[4]
EXAMPLES = ROOT / "examples" / "conductor"
PAGE = ROOT / "docs" / "reference" / "tasks.md"
TYPES_FOLDER = ROOT / "src" / "tidemill" / "workflows" / "formats" / "conductor" / "types"


def test_the_page_is_that_of_now() -> None:
    assert PAGE.read_text() == page(lambda name: (EXAMPLES / name).read_text()), "run `make reference`"


def test_a_type_is_its_file_its_example_and_the_page() -> None:
    """Beside these only the test that runs the example names it: nothing lists the files of the types."""
    files = [path for path in TYPES_FOLDER.glob("*.py") if path.stem != "__init__"]
    assert len(files) == len(TYPES) == len({each.name for each in TYPES})
    assert [each.name for each in TYPES if f"\n## {each.name}\n" not in PAGE.read_text()] == []
    stems = "|".join(path.stem for path in files)
    named = re.compile(rf"conductor\.types\.({stems})\b|conductor\.types import ({stems})\b")
    outside = [path for path in (ROOT / "src").rglob("*.py") if path.parent != TYPES_FOLDER]
    found = {match[0] for path in outside for match in named.finditer(path.read_text())}
    assert found == {"conductor.types.fork_join_dynamic"}, "expansion knows how many branches there may be"


@pytest.mark.parametrize("each", TYPES, ids=lambda each: each.name)
def test_a_type_says_what_it_is(each: TaskType) -> None:
    assert each.summary.endswith(".")
    assert not each.notes or each.notes.endswith(".")
    assert each.name == each.name.upper()


def test_a_type_is_there_or_it_is_not() -> None:
    assert BY_NAME.keys().isdisjoint(TYPES_NOT_YET)
