"""Who may save what: a new thing by the right to create, one that is there by the right to change it.

Whoever creates something by that right alone has all rights on it afterwards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

import msgspec

from tidemill.access import actions
from tidemill.access.actions import ThingKind
from tidemill.access.permission import may
from tidemill.api.call import AllowedCall
from tidemill.api.tags import given_tags
from tidemill.core.errors import NotFound
from tidemill.rules.chains.uses import Admit, Uses
from tidemill.workflows.formats.conductor.uses import uses_of


class Saving(msgspec.Struct, frozen=True):
    """What is to be saved, once it is known that the caller may."""

    kind: ThingKind
    name: str
    is_new: bool

    async def done(self, call: AllowedCall) -> None:
        """After it has been saved: its creator, and the creator's groups, get their rights."""
        if self.is_new:
            await call.services.grants.created(self.kind, self.name, call.principal, is_own=not call.is_whole)

    def is_own(self, call: AllowedCall) -> bool:
        return self.is_new and not call.is_whole


async def admitted(call: AllowedCall, kind: ThingKind, name: str, find: Callable[[], Awaitable[Any]]) -> Saving:
    """`find` raises `NotFound` where there is no such thing. Raises `Forbidden`."""
    if call.is_whole and not call.principal.granted.defaults:
        return Saving(kind, name, False)
    is_new = await _is_new(find)
    await call.check(actions.CREATE_OF[call.action] if is_new and not call.is_whole else None, **{kind: name})
    return Saving(kind, name, is_new)


async def _is_new(find: Callable[[], Awaitable[Any]]) -> bool:
    try:
        await find()
    except NotFound:
        return True
    return False


async def check_given_tags(call: AllowedCall, saving: Saving, document: Any) -> None:
    """Raises `BadInput`, and `Forbidden` for tags by which the caller would get rights that it has not."""
    tags = given_tags(document) or ()
    if not saving.is_own(call):
        await call.services.grants.check_tagging(call.principal, saving.kind, saving.name, tags)


async def check_uses(call: AllowedCall, document: Any) -> None:
    """Raises `Forbidden` for secrets and integrations in a definition that the caller may not let anybody use."""
    used = uses_of(document)
    await _check_named(call, used.secrets, used.integrations)
    if used.is_open:
        reason = "which integration it publishes to is known only when it runs: that takes the right to use all"
        if not may(call.principal, actions.INTEGRATION_USE):
            await call.services.access.refuse(call.principal, actions.INTEGRATION_USE, name_of(document), reason)


def admitting(call: AllowedCall) -> Admit:
    """Raises `Forbidden` for secrets and integrations that the caller may not let a rule chain use."""

    async def admit(uses: Uses) -> None:
        await _check_named(call, uses.secrets, uses.integrations)
        if uses.strangers and not may(call.principal, actions.INTEGRATION_CREATE):
            reason = f"no integration has {', '.join(sorted(uses.strangers))}: one would be made"
            await call.services.access.refuse(call.principal, actions.INTEGRATION_CREATE, "", reason)

    return admit


async def _check_named(call: AllowedCall, secrets: Collection[str], integrations: Collection[str]) -> None:
    for name in sorted(secrets):
        await call.check_also(actions.SECRET_USE, secret=name)
    for name in sorted(integrations):
        await call.check_also(actions.INTEGRATION_USE, integration=name)


def name_of(document: Any) -> str:
    """Of a definition that nobody has looked at yet: empty where it has none."""
    name = document.get("name") if isinstance(document, dict) else None
    return name if isinstance(name, str) else ""
