"""The world of rule chains, which takes everything and lists it: calls of web services, and mails."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.core.http import CallFailed, HttpRequest, HttpResponse
from tidemill.rules.nowhere import NOWHERE
from tidemill.rules.ports import Mail, MailServer, OutsideFailed, World


class ListedWorld:
    """With a `refusal` it takes nothing, and says so."""

    def __init__(self, refusal: str | None = None) -> None:
        self.refusal = refusal
        self.requests: list[HttpRequest] = []
        self.mails: list[tuple[MailServer, Mail]] = []

    @property
    def world(self) -> World:
        return World(self, NOWHERE.databases, self, NOWHERE.mqtt)

    async def call(self, request: HttpRequest) -> HttpResponse:
        if self.refusal is not None:
            raise CallFailed(self.refusal)
        self.requests.append(request)
        return HttpResponse(200, "OK", (), b"{}")

    async def send(self, server: MailServer, mail: Mail) -> Sequence[str]:
        if self.refusal is not None:
            raise OutsideFailed(self.refusal)
        self.mails.append((server, mail))
        return ()
