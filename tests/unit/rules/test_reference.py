"""The reference page of nodes is what their components say, and every node says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.graph.component import Component
from tidemill.rules.shown.reference import anchor, components, page, texts_of

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "nodes.md"
EXAMPLES = texts_of(ROOT / "examples" / "rulego")
KINDS = components()


def test_the_page_is_up_to_date() -> None:
    """`make reference` writes it."""
    assert PAGE.read_text() == page(EXAMPLES)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_node_explains_itself(kind: Component) -> None:
    assert kind.examples
    assert kind.summary.endswith(".")
    assert all(field.description for field in kind.config.model_fields.values())
    for example in kind.examples:
        kind.config.model_validate(example)


def test_a_section_has_what_its_component_says() -> None:
    section = page(EXAMPLES).partition("\n## cacheSet\n")[2].partition("\n## ")[0]
    for said in ("Relations: `Success`, `Failure`.", "| `items[].ttl` |", "last-value.json"):
        assert said in section
    anchors = [anchor(kind) for kind in KINDS]
    assert len(anchors) == len(set(anchors))
