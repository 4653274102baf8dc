"""Everything that there is to say of a chain as a document: its shape, its nodes, and what its scripts are worth.

Stores nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tidemill.core.errors import BadInput
from tidemill.core.findings import Finding
from tidemill.expressions.document import refuse_depth
from tidemill.rules.chains.building import Built, Setup, build
from tidemill.rules.chains.draft import ChainDraft
from tidemill.rules.chains.vault import covered_findings
from tidemill.rules.endpoints.reading import build_endpoints
from tidemill.rules.formats import read_chain
from tidemill.rules.scripts.checks import script_findings


def check_shape(document: Any) -> None:
    """Raises `BadInput` for what is no chain at all."""
    if not isinstance(document, dict):
        raise BadInput("a rule chain is a JSON object")
    refuse_depth(document, "rule chain")


async def examine(
    document: Any, setup: Setup, id_: str = "", prepared: Callable[[ChainDraft], ChainDraft] = lambda draft: draft
) -> tuple[Built, Sequence[Finding]]:
    """`id_` is what the chain is saved under; without it the document's own id counts. `prepared` gives the draft what
    the document does not say. Raises `BadInput` for what is no chain at all."""
    check_shape(document)
    read, findings = read_chain(document, id_)
    draft = prepared(read)
    built, endpoints = build(draft, setup), build_endpoints(draft, setup)
    found = [*findings, *built.findings, *endpoints.findings]
    found += await script_findings(setup.ports.sandbox, [*built.scripts, *endpoints.scripts])
    strangers, servers = [*built.strangers, *endpoints.strangers], [*built.servers, *endpoints.servers]
    return replace(built, strangers=strangers, servers=servers), covered_findings(found, draft.hidden)
