"""The broker's side of SASL: PLAIN (RFC 4616) and SCRAM (RFC 5802, 7677). Each exchange serves one connection, once."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable

from tidemill.broker.errors import Refused
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.security.credentials import MECHANISMS, Credential, credential
from tidemill.broker.security.users import Users
from tidemill.broker.session import Exchange, Step
from tidemill.core.blocking import BlockingThread

PLAIN = "PLAIN"
PLAIN_AGAINST = "SCRAM-SHA-256"
NO_BINDING = ("n", "y")


def _failed(reason: str = "") -> Refused:
    """The same words for a wrong name and a wrong password."""
    return Refused(ErrorCode.SASL_AUTHENTICATION_FAILED, reason or "Authentication failed: invalid credentials")


class PlainExchange:
    """The client says all at once. The password is derived in `thread`, which takes its time."""

    def __init__(self, users: Users, thread: BlockingThread) -> None:
        self._users = users
        self._thread = thread

    async def step(self, given: bytes) -> Step:
        try:
            acts_as, user, password = given.decode().split("\0")
        except ValueError as error:
            raise _failed("Authentication failed: not a message of PLAIN") from error
        if acts_as not in ("", user):
            raise _failed("Authentication failed: nobody may act as somebody else")
        known = self._users.credential(PLAIN_AGAINST, user)
        shown = await self._thread.run(credential, PLAIN_AGAINST, password, known.salt, known.iterations)
        if not hmac.compare_digest(shown.stored_key, known.stored_key):
            raise _failed()
        return Step(b"", user)


class ScramExchange:
    """The client's first message, ours, the client's proof, our proof."""

    def __init__(self, mechanism: str, users: Users, nonce: Callable[[], str] = secrets.token_urlsafe) -> None:
        self._mechanism = mechanism
        self._users = users
        self._nonce = nonce
        self._user = ""
        self._said = ""  # both first messages, as the proofs cover them
        self._binding = ""
        self._nonces = ""
        self._known: Credential | None = None

    async def step(self, given: bytes) -> Step:
        try:
            text = given.decode()
            return self._first(text) if self._known is None else self._last(text, self._known)
        except (ValueError, KeyError, binascii.Error) as error:
            raise _failed(f"Authentication failed: not a message of {self._mechanism}") from error

    def _first(self, text: str) -> Step:
        binding, acts_as, bare = text.split(",", 2)
        fields = _fields(bare)
        self._user = fields["n"].replace("=2C", ",").replace("=3D", "=")
        if binding not in NO_BINDING or acts_as.removeprefix("a=") not in ("", fields["n"]):
            raise _failed("Authentication failed: no channel binding, and nobody may act as somebody else")
        self._known = self._users.credential(self._mechanism, self._user)
        self._nonces = fields["r"] + self._nonce()
        answer = f"r={self._nonces},s={base64.b64encode(self._known.salt).decode()},i={self._known.iterations}"
        self._binding = base64.b64encode(f"{binding},{acts_as},".encode()).decode()
        self._said = f"{bare},{answer}"
        return Step(answer.encode())

    def _last(self, text: str, known: Credential) -> Step:
        claim, _, proof = text.rpartition(",p=")
        fields = _fields(claim)
        if fields["c"] != self._binding or not hmac.compare_digest(fields["r"], self._nonces):
            raise _failed()
        algorithm = MECHANISMS[self._mechanism]
        said = f"{self._said},{claim}".encode()
        signature = hmac.digest(known.stored_key, said, algorithm)
        client_key = bytes(a ^ b for a, b in zip(signature, base64.b64decode(proof, validate=True), strict=True))
        if not hmac.compare_digest(hashlib.new(algorithm, client_key).digest(), known.stored_key):
            raise _failed()
        verifier = base64.b64encode(hmac.digest(known.server_key, said, algorithm)).decode()
        return Step(f"v={verifier}".encode(), self._user)


def exchange(mechanism: str, users: Users, thread: BlockingThread) -> Exchange | None:
    """None for a mechanism that is not served."""
    if mechanism == PLAIN:
        return PlainExchange(users, thread)
    return ScramExchange(mechanism, users) if mechanism in MECHANISMS else None


def _fields(text: str) -> dict[str, str]:
    """`a=1,b=2`."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name: value for name, _, value in pairs}
