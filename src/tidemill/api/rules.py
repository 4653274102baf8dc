"""Rule chains as RuleGo's editor calls for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Path, Query, Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer
from tidemill.api.call import AllowedCall, Call
from tidemill.api.params import Text
from tidemill.api.router import Routes
from tidemill.api.rule_status import endpoint_statuses
from tidemill.api.saving import admitting
from tidemill.core.errors import BadInput, NotFound
from tidemill.core.findings import near
from tidemill.rules.chains.compiled import Chain, document_of
from tidemill.rules.formats.rulego import editing

routes = Routes("Rule chains", "/api/v1/rules")
category_routes = Routes("Rule chains", "/api/v1/category")

ChainId = Annotated[str, Path(alias="id")]
Page = Annotated[int, Query(ge=1, lt=2**31)]
Size = Annotated[int, Query(ge=1, le=1_000)]

_FLAGS = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
_OPERATIONS = {"start": {"disabled": False}, "stop": {"disabled": True}, "set-to-main": {"root": True}}


@routes.get("", actions.RULE_CHAIN_READ, dict[str, Any])
async def page_of_chains(
    call: Call,
    keywords: Text = None,
    root: Text = None,
    disabled: Text = None,
    category: Text = None,
    page: Page = 1,
    size: Size = 20,
) -> Response:
    """Rule chains, those saved last first. `keywords` is looked for in id and name."""
    found = [
        chain
        for chain in _newest_first(await call.services.rules.chains())
        if _is_wanted(chain, keywords, _flag(root), _flag(disabled)) and category in (None, _category(chain))
    ]
    items = [shown(chain) for chain in found[(page - 1) * size : page * size]]
    return json_answer({"total": len(found), "page": page, "size": size, "items": items})


@routes.get("/{id}", actions.RULE_CHAIN_READ, dict[str, Any])
async def by_id(call: Call, chain: ChainId) -> Response:
    """One rule chain, as it was saved, with its id."""
    return json_answer(shown(await call.services.rules.chain(chain)))


@routes.get("/{id}/latest", actions.RULE_CHAIN_READ, dict[str, Any])
async def latest(call: Call) -> Response:
    """The rule chain that was saved last, whatever id is asked for."""
    found = _newest_first(await call.services.rules.chains())
    if not found:
        raise NotFound("there is no rule chain")
    return json_answer(shown(found[0]))


@routes.get("/{id}/status", actions.RULE_CHAIN_READ, dict[str, Any])
async def status(call: Call, chain: ChainId) -> Response:
    """The connection of each of the chain's endpoints: none, connected, reconnecting or disconnected, and why. Of a
    chain that is not there: nothing."""
    try:
        found = await call.services.rules.chain(chain)
    except NotFound:
        return json_answer({})
    return json_answer(await endpoint_statuses(call.services, found))


@routes.post("/{id}", actions.RULE_CHAIN_WRITE, dict[str, Any], dict[str, Any])
async def save(call: Call, chain: ChainId) -> Response:
    """Saves a rule chain, which is at work at once. One that cannot run is stored too, unavailable, with its
    findings."""
    return await _saved(call, chain, await call.json(object))


@routes.post("/{id}/base", actions.RULE_CHAIN_WRITE, dict[str, Any], dict[str, Any])
async def save_base(call: Call, chain: ChainId) -> Response:
    """Saves a chain's name, flags and additional information; its nodes stay. Makes the chain where there is none."""
    base = await call.object()
    try:
        found = await rulego_chain(call, chain)
    except NotFound:
        document: dict[str, Any] = {"ruleChain": base, "metadata": {"nodes": [], "connections": []}}
    else:
        document = editing.with_base(document_of(found.definition), base)
    return await _saved(call, chain, document)


@routes.post("/{id}/config/{var_type}", actions.RULE_CHAIN_WRITE, dict[str, Any], dict[str, Any])
async def save_configuration(call: Call, chain: ChainId, var_type: str) -> Response:
    """Saves one part of a chain's configuration, such as `vars`."""
    value = await call.json(object)
    found = await rulego_chain(call, chain)
    return await _saved(call, chain, editing.with_configuration(document_of(found.definition), var_type, value))


@routes.post("/{id}/operate/{operation}", actions.RULE_CHAIN_WRITE, answer=dict[str, Any])
async def operate(call: Call, chain: ChainId, operation: str) -> Response:
    """Switches a chain on (`start`) or off (`stop`), or marks it as a root chain (`set-to-main`)."""
    about = _OPERATIONS.get(operation)
    if about is None:
        raise BadInput(f"there is no operation {operation!r}{near(operation, _OPERATIONS)}")
    await rulego_chain(call, chain)
    changed = await call.services.rules.change(chain, call.author, lambda document: editing.with_about(document, about))
    return await _told_of(call, changed)


@routes.delete("/{id}", actions.RULE_CHAIN_DELETE)
async def remove(call: Call, chain: ChainId) -> Response:
    """Removes a rule chain; its endpoints read no more. Its saves are kept."""
    await call.services.rules.remove(chain, call.author)
    await call.changed(actions.RULE_CHAIN_DELETE, f"rule_chain:{chain}")
    return empty_answer(204)


@category_routes.get("/rule", actions.RULE_CHAIN_READ, dict[str, Any])
async def categories(call: Call) -> Response:
    """The categories that rule chains say they are of."""
    found = sorted({_category(chain) for chain in await call.services.rules.chains()} - {""})
    return json_answer({"items": found, "total": len(found)})


def shown(chain: Chain) -> dict[str, Any]:
    document = document_of(chain.definition)
    return editing.with_about(document, {"id": chain.id}) if chain.built.draft.format == "rulego" else document


def told(chain: Chain) -> dict[str, Any]:
    """What there is to say of a chain, without its nodes."""
    return {
        "id": chain.id,
        "name": chain.built.draft.name,
        "isAvailable": not isinstance(chain.graph, str),
        "findings": [finding.as_json() for finding in chain.findings],
    }


async def _saved(call: AllowedCall, id_: str, document: Any) -> Response:
    """Raises `Forbidden` where the caller may not use a secret or an integration that the chain names."""
    return await _told_of(call, await call.services.rules.save(id_, document, call.author, admit=admitting(call)))


async def _told_of(call: AllowedCall, chain: Chain) -> Response:
    await call.changed(actions.RULE_CHAIN_WRITE, f"rule_chain:{chain.id}")
    return json_answer(told(chain))


async def rulego_chain(call: AllowedCall, id_: str) -> Chain:
    """Raises `NotFound`, and `BadInput` for a chain in another form, where these keys mean nothing."""
    chain = await call.services.rules.chain(id_)
    if chain.built.draft.format != "rulego":
        raise BadInput(f"the chain {id_} is not in RuleGo's form: save it whole")
    return chain


def _newest_first(chains: Sequence[Chain]) -> list[Chain]:
    return sorted(chains, key=lambda chain: (-chain.definition.updated_ms, chain.id))


def _is_wanted(chain: Chain, keywords: str | None, is_root: bool | None, is_disabled: bool | None) -> bool:
    draft = chain.built.draft
    return (
        (keywords is None or keywords.strip().lower() in f"{chain.id}\n{draft.name}".lower())
        and is_root in (None, draft.is_root)
        and is_disabled in (None, draft.is_disabled)
    )


def _category(chain: Chain) -> str:
    return editing.category_of(document_of(chain.definition))


def _flag(text: str | None) -> bool | None:
    """Anything else is no condition, as RuleGo has it."""
    return _FLAGS.get((text or "").lower())
