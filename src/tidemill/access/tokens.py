"""Tokens: a signed JWT that names a principal and the credential it came from. Knows no store."""

from __future__ import annotations

from typing import Any

import msgspec

from tidemill.core.errors import Unauthenticated

DEFAULT_LIFE_S = 24 * 3600
_ALGORITHM = "HS256"


class Claims(msgspec.Struct, frozen=True):
    """What a token says. `key_id` is set for an application, `generation` counts for a user."""

    subject: str
    expires_s: int
    key_id: str | None = None
    generation: int = 0


class TokenSigner:
    """Signs and reads tokens. `signing_key` has at least 32 bytes, the same on every worker."""

    def __init__(self, signing_key: bytes, life_s: int = DEFAULT_LIFE_S) -> None:
        if len(signing_key) < 32:
            raise ValueError("the signing key needs at least 32 bytes")
        self._signing_key = signing_key
        self.life_s = life_s

    def sign(self, claims: Claims, now_s: int) -> str:
        import jwt  # not at the start of the server: it brings X.509 along

        payload: dict[str, Any] = {"sub": claims.subject, "iat": now_s, "exp": claims.expires_s}
        if claims.key_id is not None:
            payload["kid"] = claims.key_id
        else:
            payload["gen"] = claims.generation
        return jwt.encode(payload, self._signing_key, algorithm=_ALGORITHM)

    def read(self, token: str, now_s: int) -> Claims:
        """Raises `Unauthenticated` with the code that clients match on."""
        import jwt

        try:
            # Expiry is compared here and not by the library, which asks the system for the time.
            payload = jwt.decode(
                token,
                self._signing_key,
                algorithms=[_ALGORITHM],
                options={"require": ["sub", "exp"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            raise Unauthenticated("the token is not valid") from error
        claims = Claims(payload["sub"], int(payload["exp"]), payload.get("kid"), int(payload.get("gen", 0)))
        if claims.expires_s <= now_s:
            raise Unauthenticated("the token has expired", "EXPIRED_TOKEN")
        return claims
