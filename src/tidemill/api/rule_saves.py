"""Rule chains as Tidemill shows them: availability and findings of all, and what lies between two saves of one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.call import Call
from tidemill.api.params import Numbered
from tidemill.api.router import Routes
from tidemill.api.rules import told
from tidemill.api.saving import admitting
from tidemill.core.errors import NotFound

routes = Routes("Rule chains", "/api/tidemill/rules")

ChainId = Annotated[str, Path(alias="id")]
Save = Annotated[int, Query(ge=1, lt=2**31)]


@routes.get("", actions.RULE_CHAIN_READ, list[dict[str, Any]])
async def all_chains(call: Call) -> Response:
    """Every rule chain: whether it can run, what is wrong with it, and who saved it when."""
    shown = []
    for chain in await call.services.rules.chains():
        of_save = {"save": chain.definition.save, "author": chain.definition.author, "at": chain.definition.updated_ms}
        about = {"format": chain.built.draft.format, "isDisabled": chain.built.draft.is_disabled}
        shown.append(told(chain) | about | of_save)
    return json_answer(shown)


@routes.post("/check", actions.RULE_CHAIN_READ, dict[str, Any], list[dict[str, Any]])
async def check(call: Call) -> Response:
    """What there would be to say of a chain, scripts included. Saves nothing."""
    _, findings = await call.services.rules.examine(await call.json(object), "checked")
    return json_answer([finding.as_json() for finding in findings])


@routes.get("/{id}/differences", actions.RULE_CHAIN_READ, list[dict[str, Any]])
async def between(
    call: Call, chain: ChainId, older: Annotated[Save, Query(alias="from")], newer: Annotated[Save, Query(alias="to")]
) -> Response:
    """What one save of a chain has otherwise than another, place by place. All saves are under
    `/api/tidemill/definitions/rule_chain/{id}/0/saves`."""
    saves = {each.save: each for each in await call.services.rules.saves(chain)}
    for save in (older, newer):
        if save not in saves:
            raise NotFound(f"there is no save {save} of the rule chain {chain!r}")
    return json_answer([each.as_json() for each in call.services.rules.differences(saves[older], saves[newer])])


@routes.post("/{id}/restore/{save}", actions.RULE_CHAIN_WRITE, answer=dict[str, Any])
async def restore(call: Call, chain: ChainId, save: Numbered) -> Response:
    """Saves an older save's document again, as a new save. Also of a chain that was removed."""
    restored = await call.services.rules.restore(chain, save, call.author, admitting(call))
    await call.changed(actions.RULE_CHAIN_WRITE, f"rule_chain:{chain}")
    return json_answer(told(restored))
