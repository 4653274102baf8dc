"""One call of the API: who asks, what for, and the guard that every call goes through first. Default deny.

Whose roles allow the action on everything is let through. Whoever may do it to some things only gets as far as the
check of what the call is about: the route says where that is found, or leaves it to the handler, which must have asked
before it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Request

from tidemill.access import actions
from tidemill.access.actions import Action, ThingKind
from tidemill.access.permission import may, may_on
from tidemill.access.principal import ANONYMOUS, Principal
from tidemill.api.body import check_size, header, parse_json, parse_text, read_bytes
from tidemill.api.router import CALL_KEY, Target, declared_by
from tidemill.api.services import Services
from tidemill.core.errors import BadInput, Forbidden, Unauthenticated, Unavailable

T = TypeVar("T")


class AllowedCall:
    """A call that the guard has let through. `is_whole`: the caller's roles allow its action on everything."""

    def __init__(self, services: Services, principal: Principal, request: Request, action: Action) -> None:
        self.services = services
        self.principal = principal
        self.request = request
        self.action = action
        self.is_whole = action in _OPEN or may(principal, action)
        self._is_settled = self.is_whole

    @property
    def author(self) -> str:
        return self.principal.id

    @property
    def traceparent(self) -> str | None:
        return header(self.request, b"traceparent") or None

    # --- what it is done to ---------------------------------------------------------------------------

    async def check(self, action: Action | None = None, /, **things: str) -> None:
        """Raises `Forbidden` unless the caller may do it to what belongs to these, by kind. `action` is another one to
        be asked for in the place of the call's own."""
        self._is_settled = True
        if action is not None or not self.is_whole:
            await self.check_also(action or self.action, **things)

    async def check_also(self, action: Action, /, **things: str) -> None:
        """The same for another action that the call takes."""
        await self.services.access.check_on(self.principal, action, _things(things))

    def shown(self, found: Iterable[T], belongs: Callable[[T], dict[str, str]]) -> list[T]:
        """Those that the caller may do it to. `belongs` tells what each belongs to, by kind."""
        self._is_settled = True
        if self.is_whole:
            return list(found)
        return [each for each in found if may_on(self.principal, self.action, _things(belongs(each)))]

    def granted(self, kind: ThingKind) -> frozenset[str] | None:
        """The names of all that the caller may do it to; None where that is everything."""
        self._is_settled = True
        if self.is_whole:
            return None
        names = self.principal.granted.names
        return frozenset[str]().union(
            *(names.get(pair, frozenset()) for pair in self.action.granted_by if pair[0] == kind)
        )

    def check_settled(self) -> None:
        """Raises `Forbidden` where nobody has asked what the call is about: that route has a bug."""
        if not self._is_settled:
            raise Forbidden("this route has not asked whether the caller may")

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
    endpoint = declared_by(request.scope.get("route"))
    if endpoint is None:
        return await admit(request, None, "")
    return await admit(request, endpoint.action, endpoint.path, endpoint.on)


async def admit(request: Request, action: Action | None, path: str, on: Target | None = None) -> AllowedCall:
    """The same for a route that is known otherwise."""
    services: Services = request.app.state.services
    _check_address(request)
    check_size(request, services.body_bytes_max)
    if action is None:
        raise Forbidden("this route declares no action")
    if action == actions.PUBLIC:
        return AllowedCall(services, ANONYMOUS, request, action)
    try:
        principal = await services.access.authenticate(_token(request))
    except Unauthenticated as error:
        await services.audit.refused(ANONYMOUS.id, action.name, path, str(error))
        raise
    call = AllowedCall(services, principal, request, action)
    if on is None:
        await services.access.check(principal, action, path)
    elif not call.is_whole:
        await services.access.check_somewhere(principal, action, path)
        request.scope[CALL_KEY] = call
        await on(call)
    return call


Call = Annotated[AllowedCall, Depends(guard)]


_OPEN = (actions.PUBLIC, actions.SIGNED_IN)


def _things(given: dict[str, str]) -> dict[ThingKind, str]:
    return cast("dict[ThingKind, str]", given)


def _check_address(request: Request) -> None:
    """PostgreSQL has no place for a NUL, and no name has one."""
    # Not of `request.url`: what is called most would spend a tenth of its time on making one.
    if "\x00" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise BadInput("the address has a NUL character")


def _token(request: Request) -> str | None:
    """The SDK sends the bare token in `X-Authorization`; curl users know `Authorization: Bearer`."""
    token = header(request, b"x-authorization") or header(request, b"authorization")
    return token.removeprefix("Bearer ").strip()
