"""One call of the API: who asks, what for, and the guard that every call goes through first. Default deny."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from tidemill.access import actions
from tidemill.access.principal import ANONYMOUS, Principal
from tidemill.api.body import check_size, parse_json, parse_text, read_bytes
from tidemill.api.router import action_of
from tidemill.api.services import Services
from tidemill.core.errors import BadInput, Forbidden, Unauthenticated, Unavailable

T = TypeVar("T")


class AllowedCall:
    """A call that the guard has let through."""

    def __init__(self, services: Services, principal: Principal, request: Request) -> None:
        self.services = services
        self.principal = principal
        self.request = request

    @property
    def author(self) -> str:
        return self.principal.id

    @property
    def traceparent(self) -> str | None:
        return self.request.headers.get("traceparent")

    async def is_signed_in(self) -> bool:
        """For public routes that tell principals more."""
        try:
            await self.services.access.authenticate(_token(self.request))
        except (Unauthenticated, Unavailable):
            return False
        return True

    async def json(self, kind: type[T]) -> T:
        """The body, an empty one as `{}`. Raises `BadInput` with the place of the mistake."""
        return parse_json(await self.body(), kind)

    async def object(self) -> dict[str, Any]:
        return await self.json(dict[str, Any])

    async def text(self) -> str:
        return parse_text(await self.body(), self.request.headers.get("content-type", ""))

    async def changed(self, action: actions.Action, resource: str) -> None:
        """Writes a change of a definition to the audit log; its content is in the definition's saves. Whoever works by
        definitions looks at once."""
        self.services.definitions_changed()
        await self.services.audit.changed(self.author, action.name, resource)

    async def body(self) -> bytes:
        return await read_bytes(self.request, self.services.body_bytes_max)


async def guard(request: Request) -> AllowedCall:
    """Raises `Unauthenticated` or `Forbidden`; a route that declares no action is forbidden to everybody."""
    route = request.scope.get("route")
    return await admit(request, action_of(route), str(getattr(route, "path", "")))


async def admit(request: Request, action: actions.Action | None, path: str) -> AllowedCall:
    """The same for a route that is known otherwise."""
    services: Services = request.app.state.services
    _check_address(request)
    check_size(request, services.body_bytes_max)
    if action is None:
        raise Forbidden("this route declares no action")
    if action == actions.PUBLIC:
        return AllowedCall(services, ANONYMOUS, request)
    try:
        principal = await services.access.authenticate(_token(request))
    except Unauthenticated as error:
        await services.audit.refused(ANONYMOUS.id, action.name, path, str(error))
        raise
    await services.access.check(principal, action, path)
    return AllowedCall(services, principal, request)


Call = Annotated[AllowedCall, Depends(guard)]


def _check_address(request: Request) -> None:
    """PostgreSQL has no place for a NUL, and no name has one."""
    # Not of `request.url`: what is called most would spend a tenth of its time on making one.
    if "\x00" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise BadInput("the address has a NUL character")


def _token(request: Request) -> str | None:
    """The SDK sends the bare token in `X-Authorization`; curl users know `Authorization: Bearer`."""
    token = request.headers.get("x-authorization") or request.headers.get("authorization", "")
    return token.removeprefix("Bearer ").strip()
