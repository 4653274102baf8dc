"""Secrets in the documents of chains and shared nodes: encrypted where they are stored, put back where a chain is
built, and `***` wherever somebody looks.

A document that comes in has secrets in plain, or `***` for one that was saved before and is to stay. What is stored is
the same document with `encrypted:...` in the place of each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tidemill.core.cipher import Cipher, WrongKey
from tidemill.core.codec import from_json, to_json
from tidemill.core.errors import BadInput
from tidemill.core.findings import Finding
from tidemill.graph.registry import Registry
from tidemill.graph.secret import MASK, covered
from tidemill.rules.chains.destinations import SEALED, destination_of, uses_of_own
from tidemill.rules.chains.secret_places import Place, places_of_chain, places_of_node

NOT_KEPT = "not_kept"
"""The kind of a finding about a mask in whose place nothing was kept."""

_PREFIX = "encrypted:"
_SEALED = re.compile(SEALED.pattern.encode())
"""As `Cipher.encrypt` writes it. Nobody outside ever sees one, so one that comes in is refused."""

Places = Callable[[Mapping[str, Any], Registry], Iterator[Place]]


class Opened(msgspec.Struct, frozen=True):
    """A document with its secrets in plain: for building, never for showing. `secrets` are all of them."""

    document: Any
    secrets: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()


class Vault:
    def __init__(self, cipher: Cipher, registry: Registry) -> None:
        self._cipher = cipher
        self._registry = registry

    def seal_chain(self, document: Mapping[str, Any], kept: bytes | None) -> tuple[bytes, list[Finding]]:
        """For storing. `kept` is the stored document that masks refer to. Raises `BadInput` for a text that looks like
        a stored secret."""
        return self._sealed(document, kept, places_of_chain)

    def seal_node(self, document: Mapping[str, Any], kept: bytes | None) -> tuple[bytes, list[Finding]]:
        """The same for a shared node."""
        return self._sealed(document, kept, places_of_node)

    def resealed_chain(self, stored: bytes) -> bytes | None:
        """A stored document with secrets encrypted that are in it in plain; None where there are none."""
        return self._resealed(stored, places_of_chain)

    def resealed_node(self, stored: bytes) -> bytes | None:
        return self._resealed(stored, places_of_node)

    def opened(self, stored: bytes) -> Opened:
        """Secrets that were encrypted with another key are findings, and masked."""
        found: set[str] = set()
        lost: list[str] = []

        def put_back(match: re.Match[bytes]) -> bytes:
            try:
                text = self._cipher.decrypt(match[1].decode())
            except WrongKey as error:
                lost.append(str(error))
                text = MASK
            else:
                found.add(text)
            return to_json(text)[1:-1]

        document = from_json(_SEALED.sub(put_back, stored)) if _PREFIX.encode() in stored else from_json(stored)
        return Opened(document, frozenset(found), tuple(Finding("", reason, NOT_KEPT) for reason in lost[:1]))

    def _sealed(self, document: Mapping[str, Any], kept: bytes | None, places: Places) -> tuple[bytes, list[Finding]]:
        given = to_json(document)
        if _SEALED.search(given):
            raise BadInput("a text in it looks like a secret as Tidemill stores it: give the secret in plain")
        sealed, findings, before = from_json(given), [], _document(kept)
        old = {each.path: each for each in places(before, self._registry)}
        for place, as_given in zip(
            places(sealed, self._registry), places(from_json(given), self._registry), strict=True
        ):
            known = old.get(place.path)
            tokens = SEALED.findall(known.text) if known is not None else []
            text, is_all_kept = self._text(place, tokens)
            message = f"is {MASK}, and no secret is kept here: give it in plain"
            if tokens and known is not None and MASK in as_given.text and _is_moved(known, before, as_given, document):
                text, is_all_kept = self._text(place, [])
                message = f"is {MASK}, and goes somewhere else than before: give it in plain"
            if text is not None:
                place.holder[place.key] = text
            if not is_all_kept:
                findings.append(Finding(place.shown, message, NOT_KEPT))
        return to_json(sealed), findings

    def _resealed(self, stored: bytes, places: Places) -> bytes | None:
        document = _document(stored)
        before = to_json(document)
        for place in places(document, self._registry):
            text, _ = self._text(place, ())
            if text is not None:
                place.holder[place.key] = text
        after = to_json(document)
        return after if after != before else None

    def _text(self, place: Place, kept: Collection[str]) -> tuple[str | None, bool]:
        """The text to store, None where nothing of it is secret; and whether there was something for each mask."""
        text, tokens, pieces, at, is_all_kept = place.text, list(kept), [], 0, True
        for number, (begin, end) in enumerate(sorted(place.secret.spans(place.name, text))):
            plain, token = text[begin:end], tokens[number] if number < len(tokens) else None
            if plain == MASK:
                is_all_kept = is_all_kept and (token is not None or not place.secret.is_needed)
                sealed = _PREFIX + token if token is not None else MASK
            elif SEALED.fullmatch(plain):
                sealed = plain
            else:
                sealed = _PREFIX + (self._same(tokens, number, plain) or self._cipher.encrypt(plain))
            pieces += [text[at:begin], sealed]
            at = end
        return "".join([*pieces, text[at:]]) if pieces else None, is_all_kept

    def _same(self, tokens: Sequence[str], number: int, plain: str) -> str | None:
        """A secret that stays what it is stays as it is stored: saves are compared."""
        try:
            is_same = number < len(tokens) and self._cipher.decrypt(tokens[number]) == plain
        except WrongKey:
            is_same = False
        return tokens[number] if is_same else None


def _is_moved(known: Place, before: Mapping[str, Any], place: Place, document: Mapping[str, Any]) -> bool:
    """Whether a secret that is kept would come to where it has not been."""
    if place.owner is None or known.owner is None:
        return not uses_of_own(document, place.name) <= uses_of_own(before, place.name)
    was = destination_of(known.owner.type, known.owner.config, before)
    return destination_of(place.owner.type, place.owner.config, document) != was


def mask_findings(document: Mapping[str, Any], registry: Registry) -> Iterator[Finding]:
    """Of a chain's document that nothing was kept for, such as a file: masks stand for nothing there."""
    for place in places_of_chain(document, registry):
        text = place.text
        if place.secret.is_needed and any(
            text[begin:end] == MASK for begin, end in place.secret.spans(place.name, text)
        ):
            yield Finding(place.shown, f"is {MASK}: give the secret in plain", NOT_KEPT)


def masked(stored: bytes) -> Any:
    """For showing."""
    return from_json(_SEALED.sub(MASK.encode(), stored))


def masked_value(value: Any) -> Any:
    """A part of a stored document; UNSET where there is none."""
    return value if value is msgspec.UNSET else masked(to_json(value))


def covered_findings(findings: Iterable[Finding], secrets: Collection[str]) -> list[Finding]:
    if not secrets:
        return list(findings)
    return [replace(each, message=covered(each.message, secrets)) for each in findings]


def _document(stored: bytes | None) -> Mapping[str, Any]:
    found = from_json(stored) if stored is not None else {}
    return found if isinstance(found, dict) else {}
