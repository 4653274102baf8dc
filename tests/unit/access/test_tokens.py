"""Tokens are JWTs that any library reads; what is not exactly ours is refused."""

from __future__ import annotations

import base64
import json

import jwt
import pytest

from tidemill.access.tokens import Claims, TokenSigner
from tidemill.core.errors import Unauthenticated

KEY = b"k" * 64
NOW_S = 1_700_000_000
LATER_S = NOW_S + 60

signer = TokenSigner(KEY)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "claims", [Claims("ann", LATER_S, generation=3), Claims("app:é", LATER_S, key_id="key-1"), Claims("", LATER_S)]
)
def test_what_is_signed_is_read_by_us_and_by_a_library(claims: Claims) -> None:
    token = signer.sign(claims, NOW_S)
    assert signer.read(token, NOW_S) == claims
    read = jwt.decode(token, KEY, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
    assert (read["sub"], read["exp"], read["iat"]) == (claims.subject, LATER_S, NOW_S)


def test_tokens_of_the_library_that_signed_them_before_are_good() -> None:
    theirs = jwt.encode({"sub": "ann", "iat": NOW_S, "exp": LATER_S, "gen": 2}, KEY, algorithm="HS256")
    assert signer.read(theirs, NOW_S) == Claims("ann", LATER_S, generation=2)


def test_an_expired_one_has_a_code_of_its_own() -> None:
    token = signer.sign(Claims("ann", NOW_S), NOW_S - 60)
    with pytest.raises(Unauthenticated) as caught:
        signer.read(token, NOW_S)
    assert caught.value.code == "EXPIRED_TOKEN"


PAYLOAD = {"sub": "ann", "iat": NOW_S, "exp": LATER_S, "gen": 1}
GOOD = signer.sign(Claims("ann", LATER_S, generation=1), NOW_S)
HEAD, BODY, SIGNATURE = GOOD.split(".")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        "nothing",
        "\udcff.x.y",
        GOOD[:-1],
        GOOD + "=",
        f"{HEAD}.{BODY}.",
        f"{HEAD}.{part(PAYLOAD | {'sub': 'admin'})}.{SIGNATURE}",
        TokenSigner(b"x" * 32).sign(Claims("ann", LATER_S, generation=1), NOW_S),
        f"{part({'alg': 'none', 'typ': 'JWT'})}.{BODY}.",
        jwt.encode(PAYLOAD, KEY, algorithm="HS512"),
        jwt.encode(PAYLOAD, KEY, algorithm="HS256", headers={"kid": "other"}),
        jwt.encode({"sub": "ann", "iat": NOW_S}, KEY, algorithm="HS256"),
        jwt.encode(PAYLOAD | {"exp": None}, KEY, algorithm="HS256"),
    ],
)
def test_anything_else_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        signer.read(token, NOW_S)
    assert str(caught.value) == "the token is not valid"
