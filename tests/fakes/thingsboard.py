"""Rule chains in ThingsBoard's form, as its exports have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PACKAGE = "org.thingsboard.rule.engine"


def tb_node(type_: str, name: str, **configuration: Any) -> dict[str, Any]:
    return {
        "additionalInfo": {"layoutX": 1, "layoutY": 2},
        "type": f"{PACKAGE}.{type_}",
        "name": name,
        "debugMode": False,
        "singletonMode": False,
        "configurationVersion": 0,
        "configuration": configuration,
        "externalId": None,
    }


def script(type_: str, name: str, js_script: str) -> dict[str, Any]:
    return tb_node(type_, name, scriptLang="JS", jsScript=js_script, tbelScript="")


def tb_chain(
    nodes: Sequence[dict[str, Any]], connections: Sequence[tuple[int, str, int]] = (), first: int | None = 0
) -> dict[str, Any]:
    """`connections` are (from, relation, to)."""
    return {
        "ruleChain": {
            "additionalInfo": None,
            "name": "Root Rule Chain",
            "type": "CORE",
            "firstRuleNodeId": None,
            "root": True,
            "debugMode": False,
            "configuration": None,
        },
        "metadata": {
            "firstNodeIndex": first,
            "nodes": list(nodes),
            "connections": [
                {"fromIndex": origin, "toIndex": target, "type": relation} for origin, relation, target in connections
            ],
            "ruleChainConnections": None,
        },
    }
