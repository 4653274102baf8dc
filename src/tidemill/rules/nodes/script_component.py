"""What all script nodes have in common as components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.graph.component import Component, Config
from tidemill.rules.scripts.scripts import Member, Scripted, ScriptNode
from tidemill.rules.site import Site


def script_component(
    name: str,
    group: str,
    summary: str,
    config: type[Config],
    part: Scripted,
    *,
    relations: Sequence[str] | None,
    examples: Sequence[Mapping[str, Any]],
    notes: str = "",
) -> Component:
    """`config` has its code as `js_script`."""

    def build(settings: Any, site: Site) -> ScriptNode:
        seen = {"global": site.globals_, "vars": site.vars}
        return ScriptNode(site.ports.sandbox, seen, [Member(site.node, part, settings.js_script)])

    return Component(
        name,
        group,
        summary,
        config,
        build,
        relations=relations,
        is_pure=True,
        scripts=lambda settings, site: [("jsScript", build(settings, site).script)],
        examples=examples,
        notes=notes,
    )
