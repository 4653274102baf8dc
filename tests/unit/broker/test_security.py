"""Credentials, the file of users, and the exchanges of SASL against the examples of their RFCs."""

from __future__ import annotations

import base64
import stat
from collections.abc import Awaitable
from pathlib import Path

import pytest

from tidemill.broker.errors import Refused
from tidemill.broker.security.credentials import Credential, credential
from tidemill.broker.security.exchanges import PlainExchange, ScramExchange, exchange
from tidemill.broker.security.users import Users
from tidemill.broker.session import Step
from tidemill.core.blocking import BlockingThread
from tidemill.core.errors import BadInput, Conflict, NotFound

NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
LAST = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="
PROOF = b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="


class RfcUsers(Users):
    """The one of RFC 7677, section 3."""

    def credential(self, mechanism: str, name: str) -> Credential:
        assert name == "user"
        return credential(mechanism, "pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)


def scram(folder: Path) -> ScramExchange:
    return ScramExchange("SCRAM-SHA-256", RfcUsers(folder), lambda: NONCE)


async def refusal(step: Awaitable[Step]) -> str:
    with pytest.raises(Refused) as caught:
        await step
    return caught.value.message


async def test_scram_as_in_its_rfc(tmp_path: Path) -> None:
    exchange = scram(tmp_path)
    first = await exchange.step(FIRST)
    assert first.answer == f"r=rOprNGfwEbeRWgbNEkqO{NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode()
    assert first.user is None
    last = await exchange.step(LAST + PROOF)
    assert (last.answer, last.user) == (b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "user")


@pytest.mark.parametrize(
    "last",
    [
        LAST + base64.b64encode(bytes(32)),
        LAST.replace(b"rOpr", b"xOpr") + PROOF,
        LAST.replace(b"biws", b"eSws") + PROOF,
        LAST + b"short",
        LAST,
        b"",
        b"\xff\xfe",
        FIRST,
    ],
)
async def test_scram_takes_no_other_proof(tmp_path: Path, last: bytes) -> None:
    exchange = scram(tmp_path)
    await exchange.step(FIRST)
    assert (await refusal(exchange.step(last))).startswith("Authentication failed: ")


@pytest.mark.parametrize(
    "first", [b"", b"n,,", b"n,,r=x", b"p=tls-unique,,n=user,r=x", b"n,a=other,n=user,r=x", b"\xff"]
)
async def test_scram_takes_no_other_beginning(tmp_path: Path, first: bytes) -> None:
    assert (await refusal(scram(tmp_path).step(first))).startswith("Authentication failed: ")


async def test_plain(tmp_path: Path) -> None:
    users, thread = Users(tmp_path), BlockingThread("test")
    users.add("ann", "sesame")
    assert (await PlainExchange(users, thread).step(b"\0ann\0sesame")).user == "ann"
    assert (await PlainExchange(users, thread).step(b"ann\0ann\0sesame")).user == "ann"
    wrong = {await refusal(PlainExchange(users, thread).step(said)) for said in (b"\0ann\0Sesame", b"\0bob\0sesame")}
    assert wrong == {"Authentication failed: invalid credentials"}
    for said in (b"", b"\0ann", b"bob\0ann\0sesame", b"\0ann\0sesame\0", b"\xff\0\0"):
        assert (await refusal(PlainExchange(users, thread).step(said))).startswith("Authentication failed: ")
    thread.close()


def test_a_mechanism_that_is_not_served(tmp_path: Path) -> None:
    assert exchange("GSSAPI", Users(tmp_path), BlockingThread("test")) is None


def test_users_are_read_again_when_the_file_changes(tmp_path: Path) -> None:
    broker, command = Users(tmp_path), Users(tmp_path)
    assert broker.names() == []
    command.add("bob", "1")
    command.add("ann", "2")
    assert broker.names() == ["ann", "bob"]
    with pytest.raises(Conflict, match="there is a user 'ann' already"):
        broker.add("ann", "3")
    command.remove("bob")
    assert broker.names() == ["ann"]
    with pytest.raises(NotFound, match="there is no user 'bob'"):
        command.remove("bob")


def test_the_file_has_no_password_and_is_for_its_owner(tmp_path: Path) -> None:
    Users(tmp_path).add("ann", "open-sesame")
    file = tmp_path / "users.json"
    assert b"sesame" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_user_that_is_not_there_looks_like_one(tmp_path: Path) -> None:
    users = Users(tmp_path)
    first, again = (users.credential("SCRAM-SHA-512", "nobody") for _ in range(2))
    assert (first.salt, first.iterations) == (again.salt, again.iterations)
    users.add("somebody", "x")
    known = users.credential("SCRAM-SHA-512", "somebody")
    assert (len(first.salt), len(first.stored_key)) == (len(known.salt), len(known.stored_key))
    assert first.iterations == known.iterations


@pytest.mark.parametrize(("name", "password"), [("", "x"), ("a" * 201, "x"), ("a\0", "x"), ("a", ""), ("a", "\0")])
def test_what_no_client_could_say(tmp_path: Path, name: str, password: str) -> None:
    with pytest.raises(BadInput):
        Users(tmp_path).add(name, password)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "users.json").write_text("[]")
    with pytest.raises(BadInput, match="is not a file of users"):
        Users(tmp_path).names()
