"""The reference pages of nodes are what their components say, and every node says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.graph.component import Component
from tidemill.rules.shown.reference import components, pages, slug, texts_of

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs" / "reference" / "nodes"
EXAMPLES = texts_of(ROOT / "examples" / "rulego")
KINDS = components()


def test_the_pages_are_up_to_date() -> None:
    """`make reference` writes them."""
    assert {path.name: path.read_text() for path in PAGES.glob("*.md")} == pages(EXAMPLES)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_node_explains_itself(kind: Component) -> None:
    assert kind.examples
    assert kind.summary.endswith(".")
    assert all(field.description for field in kind.config.model_fields.values())
    for example in kind.examples:
        kind.config.model_validate(example)


def test_a_page_has_what_its_component_says() -> None:
    page = pages(EXAMPLES)["cacheset.md"]
    for said in ("# cacheSet", "Relations: `Success`, `Failure`.", "| `items[].ttl` |", "last-value.json"):
        assert said in page
    names = [slug(kind) for kind in KINDS]
    assert len(names) == len(set(names))
