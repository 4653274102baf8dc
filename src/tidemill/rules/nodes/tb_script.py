"""What all script nodes of ThingsBoard have in common: their code is JavaScript, or TBEL that is JavaScript as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from tidemill.core.findings import Finding
from tidemill.graph.component import Component
from tidemill.rules.nodes.tb_config import TbConfig, unknown_keys
from tidemill.rules.scripts.scripts import Member, Scripted, ScriptNode
from tidemill.rules.scripts.tbel import plain
from tidemill.rules.site import Site


class TbScriptConfig(TbConfig):
    language: Literal["JS", "TBEL", "MVEL"] = Field(
        "JS", alias="scriptLang", description="Which of the scripts counts. MVEL is what TBEL was called first."
    )
    js_script: str = Field("", alias="jsScript", description="The body of a function of (msg, metadata, msgType).")
    tbel_script: str = Field("", alias="tbelScript", description="The same in TBEL, as far as it is JavaScript, too.")
    mvel_script: str = Field("", alias="mvelScript", description="The same, under the first name of TBEL.")


def tb_script_component(
    name: str,
    group: str,
    summary: str,
    part: Scripted,
    *,
    relations: Sequence[str] | None,
    examples: Sequence[Mapping[str, Any]],
    notes: str = "",
) -> Component:
    def build(config: Any, site: Site) -> ScriptNode:
        seen = {"global": site.globals_, "vars": site.vars}
        return ScriptNode(site.ports.sandbox, seen, [Member(site.node, part, code_of(config))])

    return Component(
        f"org.thingsboard.rule.engine.{name}",
        group,
        summary,
        TbScriptConfig,
        build,
        check=_check,
        relations=relations,
        scripts=lambda config, site: [(_key(config), build(config, site).script)],
        is_pure=True,
        examples=examples,
        notes=notes,
    )


def code_of(config: TbScriptConfig) -> str:
    """As JavaScript. Of a configuration in which nothing was found wrong."""
    text = _text(config)
    return text if config.language == "JS" else plain(text).code or ""


def _check(config: TbScriptConfig, site: Site) -> Iterator[Finding]:
    yield from unknown_keys(config, site)
    key, text = _key(config), _text(config)
    if not text.strip():
        yield site.finding(key, f"is missing, and scriptLang is {config.language}", "missing")
    elif config.language != "JS":
        found = plain(text)
        if found.code is None:
            message = (
                f"{found.word!r} is more than TBEL and JavaScript have in common, and Tidemill runs JavaScript: write"
                " the script as jsScript, and JS as scriptLang"
            )
            yield site.finding(key, message, "not_supported")
        else:
            yield site.finding(key, "TBEL, run as the JavaScript that it also is", "tbel", "warning")


def _key(config: TbScriptConfig) -> str:
    """A script of the time when TBEL was called MVEL may have either name."""
    if config.language == "MVEL" and config.mvel_script:
        return "mvelScript"
    return "jsScript" if config.language == "JS" else "tbelScript"


def _text(config: TbScriptConfig) -> str:
    return {"jsScript": config.js_script, "tbelScript": config.tbel_script, "mvelScript": config.mvel_script}[
        _key(config)
    ]
