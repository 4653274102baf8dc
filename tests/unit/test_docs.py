"""What the documentation names is there (files of the source, other pages), and what is to be in it is in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tidemill.cli.main import COMMANDS
from tidemill.core.settings import Settings

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "tidemill"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FILES = [f"/{path.relative_to(SOURCE)}" for path in SOURCE.rglob("*.py")]


def missing_files(text: str) -> list[str]:
    """Files of the source that it names and that are not there."""
    named = re.findall(r"`([a-z0-9_/]+\.py)`", text)
    return [name for name in named if not any(file.endswith(f"/{name}") for file in FILES)]


def missing_pages(page: Path, text: str) -> list[str]:
    """Links to files that are not there."""
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    return [link for link in links if not (page.parent / link).exists()]


def missing_places(page: Path, text: str) -> list[str]:
    """Links to headings that are not there."""
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", text)
    targets = {file: page.parent / file if file else page for file, _ in links}
    return [f"{file}#{place}" for file, place in links if place not in _places(targets[file])]


@cache
def _places(page: Path) -> frozenset[str]:
    """As GitHub calls them."""
    if page.suffix != ".md" or not page.exists():
        return frozenset()
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return frozenset(re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings)


def test_what_is_missing_is_found() -> None:
    assert missing_files("`workflows/flow/flow.py`, `flow.py`, `workflows/gone.py`, `low.py`") == [
        "workflows/gone.py",
        "low.py",
    ]
    assert missing_pages(ROOT / "README.md", "[a](docs/start.md#b) [c](docs/gone.md) [d](#e)") == ["docs/gone.md"]
    text = "[a](docs/architecture.md#the-idea) [b](docs/architecture.md#gone) [c](#nowhere) [d](docs/gone.md#e)"
    assert missing_places(ROOT / "README.md", text) == ["docs/architecture.md#gone", "#nowhere", "docs/gone.md#e"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert missing_pages(page, page.read_text()) == []
    assert missing_places(page, page.read_text()) == []


def test_the_architecture_names_files_that_are_there() -> None:
    assert missing_files((ROOT / "docs" / "architecture.md").read_text()) == []


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_explained(name: str) -> None:
    rows = [line for line in (ROOT / "docs" / "production.md").read_text().splitlines() if line.startswith("| `")]
    assert any(f"`{name}`" in row.split("|")[1] for row in rows)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_changelog(name: str) -> None:
    assert re.search(rf"`tidemill {name}[ `]", (ROOT / "CHANGELOG.md").read_text())
