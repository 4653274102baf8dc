"""sendEmail: a mail for each message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tidemill.core.findings import Finding
from tidemill.core.ids import derived_id
from tidemill.expressions.exprlang.template import compile_template
from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import Batch
from tidemill.graph.secret import Password
from tidemill.rules.calling import Caller
from tidemill.rules.fields.fields import Sight, field_findings, nodes_asked
from tidemill.rules.ports import Mail, MailServer
from tidemill.rules.site import Site

FIELDS = ("from", "to", "cc", "bcc", "subject", "body")


class EmailConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    sender: str = Field("", alias="from", description="Whose mail it is. All of these are templates.")
    to: str = Field("", description="Recipients, with commas between.")
    cc: str = Field("", description="Recipients of a copy.")
    bcc: str = Field("", description="Recipients of a copy whom nobody sees.")
    subject: str = Field("", description="The subject.")
    body: str = Field("", description="The text, in HTML.")


class SendEmailConfig(Config):
    smtp_host: str = Field("", alias="smtpHost", description="The mail server.")
    smtp_port: int = Field(0, alias="smtpPort", ge=0, le=65_535, description="0 is 465 with enableTls, else 25.")
    username: str = Field("", description="Who logs in; without it, nobody does.")
    password: Password = Field("", description="The password.", repr=False)
    is_tls: bool = Field(
        False,
        alias="enableTls",
        description="TLS from the first byte; without it, STARTTLS where that is offered.",
    )
    timeout_s: int = Field(10, alias="connectTimeout", gt=0, le=600, description="Seconds that all of it may take.")
    email: EmailConfig = Field(default_factory=lambda: EmailConfig(), description="What is sent.")


class SendEmail:
    def __init__(self, config: SendEmailConfig, site: Site) -> None:
        self._site = site
        self._mailer = site.ports.world.mailer
        self._server = MailServer(
            config.smtp_host,
            config.smtp_port,
            config.username,
            config.password,
            is_tls=config.is_tls,
            timeout_s=float(config.timeout_s),
        )
        self._templates = [compile_template(text) for text in _texts(config).values()]
        self._sight = Sight(site, self._templates)
        self._caller = Caller()

    async def process(self, batch: Batch) -> None:
        async def call(index: int) -> Sequence[Message]:
            message = batch.items[index].message
            seen = self._sight.of(batch, index)
            sender, to, cc, bcc, subject, body = (template.render(seen) for template in self._templates)
            loop = message.metadata.get("_loopIndex", "")
            id_ = derived_id(message.ts_ms, self._site.chain, self._site.node, message.id, loop, to, subject, body)
            refused = await self._mailer.send(self._server, Mail(id_, sender, to, cc, bcc, subject, body))
            if not refused:
                return [message]
            return [message.told(metadata={**message.metadata, "refusedRecipients": ",".join(refused)})]

        await self._caller.call_each(batch, call)


def _texts(config: SendEmailConfig) -> dict[str, str]:
    email = config.email
    values = (email.sender, email.to, email.cc, email.bcc, email.subject, email.body)
    return {f"email.{name}": value for name, value in zip(FIELDS, values, strict=True)}


def _check(config: SendEmailConfig, site: Site) -> Iterator[Finding]:
    yield from field_findings(site, _texts(config))
    wanted = {"smtpHost": config.smtp_host, "email.from": config.email.sender, "email.to": config.email.to}
    for key, value in wanted.items():
        if not value.strip():
            yield site.finding(key, "is empty", "missing")


def _asks_for(config: SendEmailConfig) -> Sequence[str]:
    return nodes_asked(_texts(config).values())


def _build(config: Any, site: Site) -> SendEmail:
    return SendEmail(config, site)


COMPONENT = Component(
    "sendEmail",
    "external",
    "Sends a mail for each message.",
    SendEmailConfig,
    _build,
    check=_check,
    asks_for=_asks_for,
    examples=(
        {
            "smtpHost": "mail.example.org",
            "smtpPort": 587,
            "username": "alarms",
            "password": "${secrets.mail}",
            "email": {
                "from": "alarms@example.org",
                "to": "${metadata.owner}",
                "subject": "It is hot: ${msg.temperature}",
                "body": "<p>Device ${metadata.deviceId}</p>",
            },
        },
    ),
    notes=(
        "The message goes on as it is when the mail server has taken the mail. Where it took it for some of the"
        " recipients only, `metadata.refusedRecipients` names the others.\n\n"
        "The server's certificate is verified. A password is sent over TLS only, or to this machine.\n\n"
        "After a crash a mail may be sent again. It has the same `Message-ID` then, by which many mail servers and"
        " programs show it once."
    ),
)
