"""What tests of nodes look at: the ends of one message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.fakes.rules import RulesRoom
from tidemill.graph.message import Message
from tidemill.graph.node import End, Result

Node = dict[str, Any]
Connections = Sequence[Sequence[str]]


def node(id_: str, type_: str, **configuration: Any) -> Node:
    return {"id": id_, "type": type_, "configuration": configuration}


async def ran(room: RulesRoom, nodes: Sequence[Node], connections: Connections, *messages: Message) -> list[Result]:
    """Saved as the chain `main`, and run."""
    saved = await room.save("main", nodes, connections)
    assert not [finding for finding in saved.findings if finding.level == "error"], saved.findings
    return list(await room.run("main", *messages))


def shown(ends: Sequence[End]) -> list[tuple[str, str]]:
    return [(end.node, end.relation) for end in ends]


def value(end: End) -> Any:
    return json.loads(end.message.data)
