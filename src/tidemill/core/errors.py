"""The one exception tree. A domain adds leaves; adapters translate driver errors into these at their border.

TidemillError
├── BadInput          what the user gave is wrong: all findings together (400)
├── NotFound          the named thing does not exist (404)
├── Conflict          it exists already, or its state does not allow this (409)
├── Full              there is no room for it until something else has gone (429)
├── Unauthenticated   no credential, or one that is not valid (401)
├── Forbidden         the principal may not do this (403)
├── NotSupported      known, and not built yet (501)
├── Unavailable       the world failed (database, broker, sandbox): trying again later makes sense (503)
└── StaleWrite        somebody wrote first: read again and repeat; never shown to a user
"""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.core.findings import Finding


class TidemillError(Exception):
    """Root of everything that Tidemill raises on purpose. `str(error)` is fit to be shown to a user."""


class BadInput(TidemillError):
    """What the user gave is wrong. `findings` has every mistake, each with its place; never empty."""

    def __init__(self, findings: Sequence[Finding] | str) -> None:
        self.findings = (Finding("", findings),) if isinstance(findings, str) else tuple(findings)
        super().__init__("; ".join(str(finding) for finding in self.findings))


class NotFound(TidemillError):
    """The named thing does not exist."""


class Conflict(TidemillError):
    """It exists already, or its state does not allow what was asked."""


class Full(TidemillError):
    """There is no room for it until something else has gone: trying again later makes sense."""


class Unauthenticated(TidemillError):
    """No credential, or one that is not valid. `code` is what clients match on (`EXPIRED_TOKEN`, `INVALID_TOKEN`)."""

    def __init__(self, message: str, code: str = "INVALID_TOKEN") -> None:
        self.code = code
        super().__init__(message)


class Forbidden(TidemillError):
    """The principal may not do this."""


class NotSupported(TidemillError):
    """Known, and not built yet."""


class Unavailable(TidemillError):
    """The world failed: trying again later makes sense, and nothing was written."""


class StaleWrite(TidemillError):
    """Somebody wrote first: the transaction is rolled back; read again and repeat."""
