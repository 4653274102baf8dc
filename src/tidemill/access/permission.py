"""Whether a principal may: by its roles on everything, by what it was granted on single things. Pure; default deny."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tidemill.access.actions import ALL, CREATE_OF, Action, Right, ThingKind
from tidemill.access.ports import Grant
from tidemill.access.principal import Principal
from tidemill.access.roles import NEEDING_ROLE, ROLES, WITH_GRANT


def may(principal: Principal, action: Action) -> bool:
    """On everything: some role says so."""
    for role in principal.roles:  # plainly: this is asked for each call
        if action in ROLES.get(role, ()):
            return True
    return action.name in principal.more


def may_somewhere(principal: Principal, action: Action) -> bool:
    """On something, be it that it is yet to be created."""
    create = CREATE_OF.get(action)
    if create is not None and (may(principal, create) or principal.granted.allow_somewhere(create)):
        return True
    return may(principal, action) or principal.granted.allow_somewhere(action)


def may_on(principal: Principal, action: Action, things: Mapping[ThingKind, str]) -> bool:
    """On something that belongs to these things: a task to its definition, its domain and its execution's workflow."""
    if may(principal, action):
        return True
    if action in NEEDING_ROLE and not any(action in WITH_GRANT.get(role, ()) for role in principal.roles):
        # Rights on a task are for workers; who has none of their roles has them by the workflow only.
        things = {kind: name for kind, name in things.items() if kind not in ("task", "domain")}
    return principal.granted.allow_on(action, things)


def actions_on(kind: ThingKind, right: Right) -> Collection[Action]:
    """What the right allows."""
    return [action for action in ALL if (kind, right) in action.granted_by]


def has(principal: Principal, grant: Grant) -> bool:
    """Whether the principal has all that the grant gives."""
    if principal.granted.allows(grant.kind, grant.right, grant.name):
        return True
    if grant.kind == "tag":
        given = [action for action in ALL if any(right == grant.right for _, right in action.granted_by)]
    else:
        given = list(actions_on(grant.kind, grant.right))
    return all(may(principal, action) for action in given)
