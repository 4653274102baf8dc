"""Mail by SMTP (`rules.ports.Mailer`): a connection for each mail, on a thread. Passwords go over TLS only."""

from __future__ import annotations

import asyncio
import functools
import smtplib
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, getaddresses

from tidemill.core.clock import Clock
from tidemill.rules.ports import Mail, MailServer, OutsideFailed
from tidemill.web.reach import Reach

MAILS_MAX = 10
"""At once, of the whole process."""
PORT, PORT_TLS = 25, 465
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


class SmtpMailer:
    """`trust` None: the usual authorities, or those that `SSL_CERT_FILE` names."""

    def __init__(self, clock: Clock, *, is_private_allowed: bool, trust: ssl.SSLContext | None = None) -> None:
        self._clock = clock
        self._reach = Reach(is_private_allowed=is_private_allowed)
        self._trust = trust
        self._places = asyncio.Semaphore(MAILS_MAX)
        self._threads: ThreadPoolExecutor | None = None

    async def send(self, server: MailServer, mail: Mail) -> Sequence[str]:
        port = server.port or (PORT_TLS if server.is_tls else PORT)
        message, recipients = self._message(mail)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(MAILS_MAX, "mail")
        work = functools.partial(self._deliver, server, port, message, recipients)
        try:
            async with asyncio.timeout(server.timeout_s), self._places:
                await self._reach.check(server.host, port)
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError as error:
            raise OutsideFailed(f"the mail server did not take it within {server.timeout_s:g} s") from error
        except smtplib.SMTPException as error:
            raise OutsideFailed(f"the mail server refused: {_reason(error)}") from error
        except (OSError, ValueError) as error:
            raise OutsideFailed(f"the mail could not be sent: {error}") from error

    async def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _message(self, mail: Mail) -> tuple[EmailMessage, list[str]]:
        message = EmailMessage(SMTP)
        try:
            message["From"], message["To"], message["Subject"] = mail.sender, mail.to, mail.subject
            if mail.cc.strip():
                message["Cc"] = mail.cc
            message["Message-ID"] = f"<{mail.id}@tidemill>"
            message["Date"] = formatdate(self._clock.now_ms() / 1_000)
            message.set_content(mail.body, subtype="html")
        except (ValueError, LookupError, UnicodeError) as error:
            raise OutsideFailed(f"that is no mail: {error}") from error
        recipients = [address for _, address in getaddresses([mail.to, mail.cc, mail.bcc]) if address]
        if not recipients:
            raise OutsideFailed("the mail has no recipient")
        return message, recipients

    def _deliver(self, server: MailServer, port: int, message: EmailMessage, recipients: list[str]) -> Sequence[str]:
        """On a thread. Waits no longer than the timeout for each answer of the server."""
        trust = self._trust or ssl.create_default_context()
        with _connected(server, port, trust) as connection:
            if not server.is_tls:
                connection.ehlo_or_helo_if_needed()
                if connection.has_extn("starttls"):
                    connection.starttls(context=trust)
                elif server.password and server.host not in _THIS_MACHINE:
                    raise smtplib.SMTPException("it offers no TLS, and a password is not sent in the clear")
            if server.user:
                connection.login(server.user, server.password)
            return list(connection.send_message(message, to_addrs=recipients))


def _connected(server: MailServer, port: int, trust: ssl.SSLContext) -> smtplib.SMTP:
    if server.is_tls:
        return smtplib.SMTP_SSL(server.host, port, timeout=server.timeout_s, context=trust)
    return smtplib.SMTP(server.host, port, timeout=server.timeout_s)


def _reason(error: smtplib.SMTPException) -> str:
    match error:
        case smtplib.SMTPRecipientsRefused():
            return "; ".join(f"{who}: {_answer(*answer)}" for who, answer in error.recipients.items())
        case smtplib.SMTPResponseException():
            return _answer(error.smtp_code, error.smtp_error)
    return str(error)


def _answer(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"
