"""Rule chains in ThingsBoard's form, as its editor and its clients call for them. They are in the catalog of all rule
chains; those in another form are not shown here, as their nodes would mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Path, Query, Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer
from tidemill.api.call import AllowedCall, Call
from tidemill.api.params import Text
from tidemill.api.router import Routes
from tidemill.api.saving import admitting
from tidemill.core.errors import BadInput, Conflict, NotFound
from tidemill.core.findings import Finding
from tidemill.core.ids import new_id
from tidemill.rules.chains.compiled import Chain, document_of
from tidemill.rules.chains.uses import Admit, admit_all
from tidemill.rules.formats.thingsboard import documents
from tidemill.rules.formats.thingsboard.reading import FORMAT, id_of

routes = Routes("Rule chains", "/api/ruleChain")
list_routes = Routes("Rule chains", "/api/ruleChains")

ChainId = Annotated[str, Path(alias="id")]
PageSize = Annotated[int, Query(alias="pageSize", ge=1, le=1_000)]
Page = Annotated[int, Query(ge=0, lt=2**31)]

_KEYS: Mapping[str, Callable[[Chain], Any]] = {
    "createdTime": lambda chain: chain.definition.created_ms,
    "name": lambda chain: chain.built.draft.name,
    "root": lambda chain: chain.built.draft.is_root,
}


class Imported(msgspec.Struct, frozen=True, rename="camel"):
    """`metadata` are those of the chains, by place or by the id of the chain that they name."""

    rule_chains: list[dict[str, Any]]
    metadata: list[dict[str, Any]]


@list_routes.get("", actions.RULE_CHAIN_READ, dict[str, Any])
async def page_of_chains(
    call: Call,
    page_size: PageSize,
    page: Page,
    type_: Annotated[Text, Query(alias="type")] = None,
    text_search: Annotated[Text, Query(alias="textSearch")] = None,
    sort_property: Annotated[Text, Query(alias="sortProperty")] = None,
    sort_order: Annotated[Text, Query(alias="sortOrder")] = None,
) -> Response:
    """Rule chains in ThingsBoard's form, page by page. `textSearch` is looked for in their names."""
    key = _KEYS.get(sort_property or "createdTime")
    if key is None:
        raise BadInput(f"sortProperty must be one of {', '.join(_KEYS)}, not {sort_property!r}")
    wanted = (text_search or "").lower()
    found = [each for each in await _chains(call) if wanted in each.built.draft.name.lower() and type_ != "EDGE"]
    found.sort(key=lambda chain: chain.id)
    found.sort(key=key, reverse=(sort_order or "DESC").upper() == "DESC")
    shown = found[page * page_size : (page + 1) * page_size]
    pages = -(-len(found) // page_size)
    answer = {"totalPages": pages, "totalElements": len(found), "hasNext": page + 1 < pages}
    return json_answer({"data": [_shown(chain) for chain in shown], **answer})


@list_routes.get("/list", actions.RULE_CHAIN_READ, list[dict[str, Any]])
async def by_ids(call: Call, ids: Annotated[str, Query(alias="ruleChainIds")]) -> Response:
    """The rule chains of these ids, with commas between them; those that are not there are left out."""
    asked = [id_.strip() for id_ in ids.split(",")]
    return json_answer([_shown(chain) for chain in await _chains(call) if documents.uuid_of(chain.id) in asked])


@list_routes.get("/export", actions.RULE_CHAIN_READ, dict[str, Any])
async def export(call: Call, limit: Annotated[int, Query(ge=1, lt=2**31)]) -> Response:
    """Rule chains as they can be imported elsewhere."""
    found = (await _chains(call))[:limit]
    return json_answer(
        {"ruleChains": [_shown(chain) for chain in found], "metadata": [_metadata(chain) for chain in found]}
    )


@list_routes.post("/import", actions.RULE_CHAIN_WRITE, Imported, list[dict[str, Any]])
async def import_chains(call: Call, overwrite: bool = False) -> Response:
    """Saves rule chains that were exported, with new ids, also where they lead to each other. With `overwrite`, one
    takes the place of a chain of its name."""
    given = await call.json(Imported)
    if len(given.rule_chains) != len(given.metadata):
        raise BadInput([Finding("metadata", "must be as many as there are ruleChains")])
    named = {chain.built.draft.name: chain.id for chain in await _chains(call)} if overwrite else {}
    now_ms = call.services.clock.now_ms()
    targets = [named.get(str(about.get("name"))) or new_id(now_ms) for about in given.rule_chains]
    olds = [id_of(about.get("id")) for about in given.rule_chains]
    ids = {old: new for old, new in zip(olds, targets, strict=True) if old}
    metadata = _by_chain(given.metadata, olds)
    results = []
    for about, nodes, id_ in zip(given.rule_chains, metadata, targets, strict=True):
        document = documents.with_chain(documents.empty(), about)
        changed = documents.with_metadata(document, documents.relinked(nodes, ids), lambda: new_id(now_ms))
        saved = await _saved(call, id_, changed, admitting(call))
        entity = {"tenantId": documents.TENANT, "ruleChainId": documents.chain_entity(saved.id)}
        told = {"ruleChainName": saved.built.draft.name, "updated": id_ in named.values(), "error": _reason(saved)}
        results.append(entity | told)
    return json_answer(results)


@routes.post("", actions.RULE_CHAIN_WRITE, dict[str, Any], dict[str, Any])
async def save_chain(call: Call) -> Response:
    """Makes a rule chain without nodes, or, with the id of one, changes what it is called and how it is shown."""
    given = await call.object()
    if not isinstance(given.get("name"), str) or not given["name"].strip():
        raise BadInput([Finding("name", "Rule chain name should be specified!", "missing")])
    id_ = id_of(given.get("id"))
    if id_:
        found = await _chain(call, id_)
        _check_version(found, given)
        return json_answer(_shown(await _saved(call, found.id, documents.with_chain(_document(found), given))))
    made = documents.with_chain(documents.empty(), given)
    return json_answer(_shown(await _saved(call, new_id(call.services.clock.now_ms()), made)))


@routes.post("/metadata", actions.RULE_CHAIN_WRITE, dict[str, Any], dict[str, Any])
async def save_metadata(call: Call) -> Response:
    """Saves the nodes and connections of a rule chain, which are at work at once. What is wrong with them is among the
    `findings` of the answer; a chain with errors is stored and does not run."""
    given = await call.object()
    found = await _chain(call, id_of(given.get("ruleChainId")))
    _check_version(found, given)
    now_ms = call.services.clock.now_ms()
    nodes = {key: value for key, value in given.items() if key != "findings"}
    changed = documents.with_metadata(_document(found), nodes, lambda: new_id(now_ms))
    saved = await _saved(call, found.id, changed, admitting(call))
    return json_answer({**_metadata(saved), "findings": [each.as_json() for each in saved.findings]})


@routes.get("/tbelEnabled", actions.RULE_CHAIN_READ, bool)
async def is_tbel_enabled(call: Call) -> Response:
    """Whether editors should offer TBEL: no. Of TBEL, only what is JavaScript as well is run."""
    return json_answer(False)


@routes.get("/{id}", actions.RULE_CHAIN_READ, dict[str, Any])
async def by_id(call: Call, chain: ChainId) -> Response:
    """One rule chain, without its nodes."""
    return json_answer(_shown(await _chain(call, chain)))


@routes.get("/{id}/metadata", actions.RULE_CHAIN_READ, dict[str, Any])
async def metadata_by_id(call: Call, chain: ChainId) -> Response:
    """The nodes and connections of a rule chain."""
    return json_answer(_metadata(await _chain(call, chain)))


@routes.get("/{id}/output/labels", actions.RULE_CHAIN_READ, list[str])
async def labels(call: Call, chain: ChainId) -> Response:
    """The relations by which a rule chain comes back to one that runs it."""
    return json_answer(documents.output_labels(_document(await _chain(call, chain))))


@routes.post("/{id}/root", actions.RULE_CHAIN_WRITE, answer=dict[str, Any])
async def set_root(call: Call, chain: ChainId) -> Response:
    """Marks a chain as the root chain, in the place of the one that was."""
    found = await _chain(call, chain)
    for other in await _chains(call):
        if other.built.draft.is_root and other.id != found.id:
            await _saved(call, other.id, documents.with_root(_document(other), False))
    return json_answer(_shown(await _saved(call, found.id, documents.with_root(_document(found), True))))


@routes.delete("/{id}", actions.RULE_CHAIN_DELETE)
async def remove(call: Call, chain: ChainId) -> Response:
    """Removes a rule chain. Its saves are kept."""
    found = await _chain(call, chain)
    await call.services.rules.remove(found.id, call.author)
    await call.changed(actions.RULE_CHAIN_DELETE, f"rule_chain:{found.id}")
    return empty_answer()


async def _chains(call: AllowedCall) -> list[Chain]:
    return [chain for chain in await call.services.rules.chains() if chain.built.draft.format == FORMAT]


async def _chain(call: AllowedCall, id_: str) -> Chain:
    """By its id, or the UUID that is made of it. Raises `NotFound`."""
    for chain in await _chains(call):
        if id_ and id_ in (chain.id, documents.uuid_of(chain.id)):
            return chain
    raise NotFound(f"Rule chain with id [{id_}] is not found!")


async def _saved(call: AllowedCall, id_: str, document: Mapping[str, Any], admit: Admit = admit_all) -> Chain:
    """`admit` where what the chain does may be another: not where it is only renamed."""
    saved = await call.services.rules.save(id_, document, call.author, admit=admit)
    await call.changed(actions.RULE_CHAIN_WRITE, f"rule_chain:{id_}")
    return saved


def _check_version(chain: Chain, given: Mapping[str, Any]) -> None:
    """Raises `Conflict` where somebody else has saved since the client looked."""
    seen, now = given.get("version"), chain.definition.save
    if seen is not None and seen != now:
        raise Conflict(f"the rule chain was changed by somebody else: it is at version {now}, not {seen}")


def _by_chain(metadata: Sequence[dict[str, Any]], ids: Sequence[str]) -> list[dict[str, Any]]:
    """In the order of the chains."""
    named = {id_of(each.get("ruleChainId")): each for each in metadata}
    return [named.get(id_, at) if id_ else at for id_, at in zip(ids, metadata, strict=True)]


def _reason(chain: Chain) -> str | None:
    return chain.graph if isinstance(chain.graph, str) else None


def _document(chain: Chain) -> dict[str, Any]:
    return document_of(chain.definition)


def _shown(chain: Chain) -> dict[str, Any]:
    saved = chain.definition
    return documents.chain_json(chain.id, _document(chain), saved.created_ms, saved.save)


def _metadata(chain: Chain) -> dict[str, Any]:
    saved = chain.definition
    return documents.metadata_json(chain.id, _document(chain), saved.created_ms, saved.save)
