"""sendEmail against a mail server on real sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.rules import RulesRoom, message
from tests.parts.certificate import make_certificate
from tests.parts.mail import MailService, mail_service
from tidemill.core.clock import HeldClock
from tidemill.graph.message import Message
from tidemill.graph.node import End
from tidemill.rules.nowhere import NOWHERE
from tidemill.web.mail import SmtpMailer

EMAIL = {
    "from": "Mill <mill@example.org>",
    "to": "${metadata.owner}",
    "subject": "It is ${msg.n}",
    "body": "<p>ä ${id}</p>",
}


@pytest.fixture
async def mailer() -> AsyncIterator[SmtpMailer]:
    mailer = SmtpMailer(HeldClock(), is_private_allowed=True)
    yield mailer
    await mailer.close()


def tls_of(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of the server, and of one who trusts it."""
    certificate, key = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, ssl.create_default_context(cafile=str(certificate))


async def send(
    mailer: SmtpMailer, service: MailService, *messages: Message, email: Any = EMAIL, **more: Any
) -> list[End]:
    room = RulesRoom(world=replace(NOWHERE, mailer=mailer))
    config = {"smtpHost": "127.0.0.1", "smtpPort": service.port, "email": email, "connectTimeout": 60, **more}
    chain = await room.save("c", [{"id": "mail", "type": "sendEmail", "configuration": config}])
    assert not chain.findings
    results = await room.run("c", *messages or (message(owner="anna@example.org"),))
    return [end for result in results for end in result.ends]


async def test_a_mail_as_it_arrives(mailer: SmtpMailer) -> None:
    async with mail_service() as service:
        email = {**EMAIL, "cc": "bo@example.org, Cy <cy@example.org>", "bcc": "dee@example.org"}
        (end,) = await send(mailer, service, email=email)
        assert (end.relation, end.message) == ("Success", message(owner="anna@example.org")), end.error
        (taken,) = service.taken
    assert taken.sender == "mill@example.org"
    assert taken.recipients == ["anna@example.org", "bo@example.org", "cy@example.org", "dee@example.org"]
    mail = taken.message
    assert (mail["From"], mail["To"], mail["Subject"]) == (EMAIL["from"], "anna@example.org", "It is 1")
    assert (mail["Cc"], mail["Bcc"]) == ("bo@example.org, Cy <cy@example.org>", None)
    assert (mail.get_content_type(), mail.get_content().strip()) == ("text/html", "<p>ä m1</p>")
    assert mail["Date"] == "Tue, 14 Nov 2023 22:13:20 -0000"


async def test_the_same_mail_has_the_same_id(mailer: SmtpMailer) -> None:
    async with mail_service() as service:
        for number in (1, 1, 2):
            await send(mailer, service, message(b'{"n":%d}' % number, owner="a@example.org"))
        first, again, other = (taken.message["Message-ID"] for taken in service.taken)
    assert first == again != other


async def test_a_failure_is_its_messages_own(mailer: SmtpMailer) -> None:
    async with mail_service(refused={"bo@example.org"}) as service:
        owners = ("anna@example.org", "bo@example.org", "", "x@example.org\r\nBcc: y@example.org", "cy@example.org")
        ends = await send(mailer, service, *(message(owner=owner) for owner in owners))
        assert sorted(taken.recipients[0] for taken in service.taken) == ["anna@example.org", "cy@example.org"]
    assert [end.relation for end in ends] == ["Success", "Failure", "Failure", "Failure", "Success"]
    assert ends[1].error == "the mail server refused: bo@example.org: 550 nobody of that name"
    assert ends[2].error == "the mail has no recipient"
    assert (ends[3].error or "").startswith("that is no mail")


async def test_whom_the_server_does_not_know_is_named(mailer: SmtpMailer) -> None:
    async with mail_service(refused={"bo@example.org"}) as service:
        (end,) = await send(mailer, service, email={**EMAIL, "cc": "bo@example.org"})
    assert (end.relation, end.message.metadata["refusedRecipients"]) == ("Success", "bo@example.org")


@pytest.mark.parametrize("is_tls", [False, True])
async def test_tls_is_verified_and_passwords_go_over_it(mailer: SmtpMailer, tmp_path: Path, is_tls: bool) -> None:
    server_side, trust = tls_of(tmp_path)
    trusting = SmtpMailer(HeldClock(), is_private_allowed=True, trust=trust)
    login = {"username": "mill", "password": "s3cret", "enableTls": is_tls}
    async with mail_service(server_side, is_tls_first=is_tls, users={"mill": "s3cret"}) as service:
        (end,) = await send(trusting, service, **login)
        assert end.relation == "Success", end.error
        assert service.taken[0].is_tls
        (wrong,) = await send(trusting, service, **{**login, "password": "wr0ng"})
        assert wrong.relation == "Failure" and "535" in (wrong.error or "") and "wr0ng" not in (wrong.error or "")
        (stranger,) = await send(mailer, service, **login)
        assert stranger.relation == "Failure" and "CERTIFICATE_VERIFY_FAILED" in (stranger.error or "")
        assert len(service.taken) == 1
    await trusting.close()


async def test_a_password_is_not_sent_in_the_clear(mailer: SmtpMailer) -> None:
    async with mail_service(users={"mill": "s3cret"}) as near:
        (end,) = await send(mailer, near, username="mill", password="s3cret")
        assert end.relation == "Success", end.error
    async with mail_service(users={"mill": "s3cret"}, host="127.0.0.2") as far:
        (end,) = await send(mailer, far, smtpHost="127.0.0.2", username="mill", password="s3cret")
        assert end.relation == "Failure" and "not sent in the clear" in (end.error or "")


async def test_a_server_that_does_not_answer_has_its_time(mailer: SmtpMailer) -> None:
    hold = asyncio.Event()
    async with mail_service(hold=hold) as service:
        (end,) = await send(mailer, service, connectTimeout=1)
        hold.set()
    assert (end.relation, end.error) == ("Failure", "the mail server did not take it within 1 s")


async def test_nobody_there_and_out_of_reach(mailer: SmtpMailer) -> None:
    (end,) = await send(mailer, MailService(port=1))
    assert end.relation == "Failure" and "could not be sent" in (end.error or "")
    guarded = SmtpMailer(HeldClock(), is_private_allowed=False)
    (end,) = await send(guarded, MailService(port=1))
    assert end.relation == "Failure" and "not to be reached" in (end.error or "")


async def test_what_is_wrong_is_found_when_it_is_saved() -> None:
    room = RulesRoom()
    config = {"email": {"subject": "${1 +}", "too": "x"}}
    chain = await room.save("c", [{"id": "mail", "type": "sendEmail", "configuration": config}])
    assert [each.path.rpartition("configuration.")[2] for each in chain.findings] == ["email.too"]
    chain = await room.save("c", [{"id": "mail", "type": "sendEmail", "configuration": {"email": {"body": "${1 +}"}}}])
    assert {each.path.rpartition("configuration.")[2] for each in chain.findings} == {
        "email.body", "smtpHost", "email.from", "email.to"
    }  # fmt: skip
