"""The formats that rule chains are written in: each reads its documents into a `rules.draft.ChainDraft`."""

from __future__ import annotations

from typing import Any

from tidemill.core.findings import Finding
from tidemill.rules.chains.draft import ChainDraft
from tidemill.rules.formats.rulego import reading as rulego
from tidemill.rules.formats.thingsboard import reading as thingsboard


def read_chain(document: Any, id_: str = "") -> tuple[ChainDraft, list[Finding]]:
    """`id_` is what the chain is saved under; without it the document's own id counts."""
    if thingsboard.is_meant(document):
        return thingsboard.read(document, id_)
    return rulego.read(document, id_)
