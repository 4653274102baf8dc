"""Tokens: a signed JWT that names a principal and the credential it came from. Knows no store.

Written and read by ourselves, as all that is accepted is what this wrote: one header, one algorithm. A library for all
of JWT takes a tenth of the start.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from tidemill.core.errors import Unauthenticated

DEFAULT_LIFE_S = 24 * 3600


class Claims(msgspec.Struct, frozen=True):
    """What a token says. `key_id` is set for an application, `generation` counts for a user."""

    subject: str
    expires_s: int
    key_id: str | None = None
    generation: int = 0


class _Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claims as JWT names them."""

    sub: str
    iat: int
    exp: int
    kid: str | None = None
    gen: int = 0


class TokenSigner:
    """Signs and reads tokens. `signing_key` has at least 32 bytes, the same on every worker."""

    def __init__(self, signing_key: bytes, life_s: int = DEFAULT_LIFE_S) -> None:
        if len(signing_key) < 32:
            raise ValueError("the signing key needs at least 32 bytes")
        self._signing_key = signing_key
        self.life_s = life_s

    def sign(self, claims: Claims, now_s: int) -> str:
        payload = _Payload(claims.subject, now_s, claims.expires_s, claims.key_id, claims.generation)
        signed = b"%s.%s" % (_HEADER, _text(msgspec.json.encode(payload)))
        return (b"%s.%s" % (signed, self._signature(signed))).decode()

    def read(self, token: str, now_s: int) -> Claims:
        """Raises `Unauthenticated` with the code that clients match on."""
        signed, _, signature = token.encode("utf-8", "replace").rpartition(b".")
        header, _, content = signed.partition(b".")
        is_ours = hmac.compare_digest(signature, self._signature(signed)) and header == _HEADER
        if not is_ours:
            raise Unauthenticated("the token is not valid")
        try:
            payload = msgspec.json.decode(urlsafe_b64decode(content + b"=="), type=_Payload)
        except ValueError as error:
            raise Unauthenticated("the token is not valid") from error
        if payload.exp <= now_s:
            raise Unauthenticated("the token has expired", "EXPIRED_TOKEN")
        return Claims(payload.sub, payload.exp, payload.kid, payload.gen)

    def _signature(self, signed: bytes) -> bytes:
        return _text(hmac.digest(self._signing_key, signed, "sha256"))


def _text(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


_HEADER = _text(b'{"alg":"HS256","typ":"JWT"}')
