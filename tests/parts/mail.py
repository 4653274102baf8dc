"""A mail server for tests, on real sockets (aiosmtpd)."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword


@dataclass(slots=True)
class Taken:
    sender: str
    recipients: list[str]
    message: EmailMessage
    is_tls: bool


@dataclass(slots=True)
class MailService:
    """`users` are who may log in; `refused` whose mail it does not take. `hold`: it answers nobody."""

    port: int = 0
    users: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    taken: list[Taken] = field(default_factory=list)
    hold: asyncio.Event | None = None

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        if address in self.refused:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        if self.hold is not None:
            await self.hold.wait()
        message = message_from_bytes(envelope.content, EmailMessage, policy=policy.default)  # type: ignore[arg-type]
        is_tls = server.transport.get_extra_info("sslcontext") is not None
        self.taken.append(Taken(envelope.mail_from or "", envelope.rcpt_tos, message, is_tls))
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        is_known = isinstance(data, LoginPassword) and self.users.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=is_known, handled=False)


@asynccontextmanager
async def mail_service(
    tls: ssl.SSLContext | None = None, *, is_tls_first: bool = False, host: str = "127.0.0.1", **more: Any
) -> AsyncIterator[MailService]:
    """`tls` is offered by STARTTLS, or from the first byte on."""
    service = MailService(**more)
    offered = None if is_tls_first else tls

    def make() -> SMTP:
        authenticator: Callable[..., AuthResult] = service.authenticate
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it advises against passwords in the clear
            return SMTP(
                service,
                tls_context=offered,
                authenticator=authenticator,
                auth_required=bool(service.users),
                auth_require_tls=False,
                enable_SMTPUTF8=True,
            )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(make, host, 0, ssl=tls if is_tls_first else None)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()
