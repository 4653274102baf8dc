"""Which texts of a configuration are secret: marks that the fields of a `Config` carry, and what of a text they mean.

Finds secrets, and covers them in what is told of a run; encrypts nothing. What a text only refers to (`${...}`,
`$[...]`) is no secret in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

MASK = "***"
HIDDEN_MIN = 4
"""Characters of a text that is worth hiding: shorter ones are everywhere."""

Span = tuple[int, int]

_NAMED = re.compile(
    r"passw|passphrase|secret|token|credential|signature|cookie|apikey|accesskey|authkey|privatekey|authorization"
    r"|^(?:x?auth|pwd|sig)$"
)
_REFERENCE = re.compile(r"\$\{[^{}]*\}|\$\[[^\[\]]*\]")
_SCHEME = re.compile(r"\s*(?:basic|bearer|token|apikey|digest|negotiate)\s", re.IGNORECASE)
_USER = re.compile(r"://[^/?#\s:@]*:([^/?#\s]*)@")
_ODD_USER = re.compile(r"://[^\s:@]*:(.*)@", re.DOTALL)
"""One whose password has signs in it that no address may have."""
_DSN_USER = re.compile(r"^[^:@/]*:(.*)@(?:\w+\(|/)", re.DOTALL)
"""As Go's MySQL driver has it: user:password@tcp(host:port)/name."""
_PAIR = re.compile(r"""([\w.-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s&;,"'][^\s&;,]*))""")
"""`password=...`, as the query of an address, PostgreSQL's settings and Java's logins have it."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A mark on a field: `spans` says which parts of a text are secret. The field is a text, or an object or list of
    texts; `spans` is given the key that each of them stands under. Not `is_needed`: somebody else may have it, too."""

    spans: Callable[[str, str], Iterable[Span]]
    is_needed: bool = True


def whole(key: str, text: str) -> Iterator[Span]:
    return _own(text, 0, len(text))


def in_address(key: str, text: str) -> Iterator[Span]:
    """Passwords in URLs and in what databases are called by."""
    found = list(_USER.finditer(text))
    if not found and "://" in text and not text.lstrip().lower().startswith("http"):
        found = list(_ODD_USER.finditer(text))
    elif "://" not in text:
        found = list(_DSN_USER.finditer(text))
    spans = [each.span(1) for each in found]
    for pair in _PAIR.finditer(text):
        if is_named(pair[1]) and all(pair.end() <= begin or pair.start() >= end for begin, end in spans):
            spans += [pair.span(group) for group in (2, 3, 4) if pair[group] is not None]
    for begin, end in spans:
        yield from _own(text, begin, end)


def by_name(key: str, text: str) -> Iterator[Span]:
    """All of it under a key that says so, such as `Authorization`, but for the scheme (`Bearer`); else as in an
    address."""
    if not is_named(key):
        yield from in_address(key, text)
    else:
        scheme = _SCHEME.match(text) if "authorization" in key.lower() else None
        yield from _own(text, scheme.end() if scheme is not None else 0, len(text))


def is_named(key: str) -> bool:
    """Whether what stands under this key is a secret by its name."""
    return _NAMED.search(re.sub(r"[^a-z0-9]", "", key.lower())) is not None


def covered(text: str, secrets: Collection[str]) -> str:
    """The text without the secrets that came into it."""
    if not secrets:
        return text
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= HIDDEN_MIN and secret in text:
            text = text.replace(secret, MASK)
    return text


def _own(text: str, begin: int, end: int) -> Iterator[Span]:
    """Of this part: what lies between references, or all of it where there are none. References stay to be seen: who
    may use what they name is asked of whoever saves the text."""
    at = begin
    for found in _REFERENCE.finditer(text, begin, end):
        if re.search(r"\w", text[at : found.start()]):
            yield at, found.start()
        at = found.end()
    if at < end and (at == begin or re.search(r"\w", text[at:end])):
        yield at, end


Password = Annotated[str, Secret(whole)]
Address = Annotated[str, Secret(in_address)]
"""It may have a password inside."""
Headers = Annotated[dict[str, str], Secret(by_name)]
"""Some of them may be secret: those of that name."""
