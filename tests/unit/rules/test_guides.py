"""The code in the guides does what the guides say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.rules import RulesRoom, chain
from tidemill.graph.component import Component
from tidemill.graph.message import Message
from tidemill.graph.registry import Registry
from tidemill.rules.endpoints import processors
from tidemill.rules.endpoints.exchange import Answer, Exchange, Received
from tidemill.rules.plugged import Plugged
from tidemill.rules.shown.forms import component_form
from tidemill.rules.trial import Trial

GUIDES = Path(__file__).parents[3] / "docs" / "guides"


def code_of(guide: str) -> dict[str, Any]:
    """What the guide's first piece of Python defines."""
    found = re.search(r"```python\n(.*?)```", (GUIDES / guide).read_text(), re.S)
    assert found is not None
    room: dict[str, Any] = {"__name__": "guide"}
    exec(found[1], room)
    return room


class Shelf(Registry):
    """Has one component, as if an entry point had brought it."""

    def __init__(self, component: Component) -> None:
        super().__init__({}, group="none")
        self._loaded[component.name] = component


async def test_the_node_of_the_guide() -> None:
    component = code_of("write-a-node.md")["COMPONENT"]
    assert [field["name"] for field in component_form(component)["fields"]] == ["field"]
    trial = Trial(replace(RulesRoom().parts.chains.setup, registry=Shelf(component)))
    node = {"id": "c", "type": "x/celsius"}
    assert await trial.add(chain([node]), "ok") == ("ok", [])
    good = await trial.run("ok", Message("m", 1, "T", b'{"temperature": 212}'))
    assert [(end.relation, end.message.value()) for end in good.ends] == [("Success", {"temperature": 100.0})]
    bad = await trial.run("ok", Message("m", 1, "T", b'{"humidity": 1}'))
    assert [(end.relation, end.error) for end in bad.ends] == [("Failure", "there is no field 'temperature'")]
    _, (finding,) = await trial.add(chain([{**node, "configuration": {"feild": "x"}}]), "odd")
    assert finding.message == "unknown key 'feild'; did you mean 'field'?"


def test_the_processors_of_the_guide(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged = Plugged("processor", "none")
    monkeypatch.setattr(processors, "PROCESSORS", plugged)
    code = code_of("write-a-processor.md")
    assert set(plugged.names()) == {"tenant", "answer"}
    came = Exchange(Received(Message("m", 1, "T", b"{}", {"key": "acme-7"}), "requests", {}))
    assert code["tenant"](came) is None
    assert came.in_.metadata["tenant"] == "acme"
    stranger = Exchange(Received(Message("m", 1, "T", b"{}", {"key": "acme"}), "requests", {}))
    assert code["tenant"](stranger) is False
    went = Exchange(came.in_, Answer(Message("m", 1, "T", b'{"n":1}', {"tenant": "acme"})))
    code["answer"](went)
    assert (went.out.headers, went.out.body) == ({"topic": "answers-acme"}, b'{"n":1}')
