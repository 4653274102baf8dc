"""The fault table of `docs/delivery.md` names tests and guards that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEST_FILE = re.compile(r"`((?:[\w/]+/)?test_\w+\.py)`(?: [(\[]([\w, ]+)[)\]])?")
SOURCE_FILE = re.compile(r"`([a-z]+/\w+\.py)`")


def table() -> list[list[str]]:
    """Fault, what happens, guard, test."""
    text = (ROOT / "docs" / "delivery.md").read_text().partition("\n## The fault table\n")[2]
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip(" |") for cell in row] for row in rows[2:]]


def test_it_is_read_whole() -> None:
    assert len(table()) > 20
    assert {len(row) for row in table()} == {4}


@pytest.mark.parametrize("row", table(), ids=lambda row: row[0])
def test_a_row_names_tests_and_guards_that_are_there(row: list[str]) -> None:
    for guard in SOURCE_FILE.findall(row[2]):
        assert (ROOT / "src" / "tidemill" / guard).is_file(), guard
    named = TEST_FILE.findall(row[3])
    assert named
    for path, names in named:
        (file,) = [each for each in (ROOT / "tests").rglob(Path(path).name) if str(each).endswith(path)]
        text = file.read_text()
        # Either a part of a test's name, or one of the values that it is tried with.
        known = [*re.findall(r"def test_(\w+)", text), *re.findall(r'"(\w+)"', text)]
        for name in filter(None, (each.strip() for each in names.split(","))):
            assert any(name in each for each in known), f"{path}: {name}"
