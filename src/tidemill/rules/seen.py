"""What expressions and templates of a node see of a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.graph.message import Message
from tidemill.graph.node import Batch
from tidemill.rules.site import Site


def seen_of(message: Message) -> dict[str, Any]:
    """`data` is the text that it is, `msg` the value."""
    return {
        "id": message.id,
        "ts": message.ts_ms,
        "data": message.text,
        "msg": message.value(),
        "metadata": message.metadata,
        "msgType": message.type,
        "type": message.type,
        "dataType": message.data_type,
    }


def environment(batch: Batch, index: int, site: Site, nodes: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """With what `nodes` told last in this run, under their names; one that has not run is missing."""
    found: dict[str, Any] = seen_of(batch.items[index].message)
    found["global"], found["vars"] = site.globals_, site.vars
    for node in nodes:
        output = batch.output(index, node)
        if output is not None:
            found[node] = seen_of(output)
    return found
