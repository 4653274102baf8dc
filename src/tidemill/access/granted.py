"""What a principal may do on single things, as found when it signed in: rights by kind and name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tidemill.access.actions import Action, Right, ThingKind
from tidemill.access.ports import Grant, GrantKind, Tagged

_ON_TAG: GrantKind = "tag"


class DefaultAccess(msgspec.Struct, frozen=True):
    """What the group gets on each new thing of a kind that one of its members creates."""

    group: str
    kind: ThingKind
    rights: tuple[Right, ...]


class Granted(msgspec.Struct, frozen=True):
    """`names` by kind and right; those of things that have a granted tag are in it."""

    names: Mapping[tuple[GrantKind, Right], frozenset[str]] = {}
    defaults: tuple[DefaultAccess, ...] = ()

    def allows(self, kind: GrantKind, right: Right, name: str) -> bool:
        return name in self.names.get((kind, right), ())

    def allow_somewhere(self, action: Action) -> bool:
        return any(self.names.get(pair) for pair in action.granted_by)

    def allow_on(self, action: Action, things: Mapping[ThingKind, str]) -> bool:
        """Whether one of the things that something belongs to allows the action on it."""
        return any(kind in things and self.allows(kind, right, things[kind]) for kind, right in action.granted_by)


NOTHING = Granted()


def granted_of(grants: Iterable[Grant], tagged: Iterable[Tagged], defaults: tuple[DefaultAccess, ...] = ()) -> Granted:
    """`tagged` has the things that have the tags of `grants`."""
    names: dict[tuple[GrantKind, Right], set[str]] = {}
    for grant in grants:
        names.setdefault((grant.kind, grant.right), set()).add(grant.name)
    of_tags = {pair: found for pair, found in names.items() if pair[0] == _ON_TAG}
    for thing in tagged:
        for (_, right), tags in of_tags.items():
            if tag_name(thing.key, thing.value) in tags:
                names.setdefault((thing.kind, right), set()).add(thing.name)
    return Granted({pair: frozenset(found) for pair, found in names.items()}, defaults)


def tags_of(grants: Iterable[Grant]) -> frozenset[tuple[str, str]]:
    """The tags that are granted, by key and value; a name with several colons may be of several."""
    return frozenset(
        (grant.name[:index], grant.name[index + 1 :])
        for grant in grants
        if grant.kind == _ON_TAG
        for index, letter in enumerate(grant.name)
        if letter == ":"
    )


def tag_name(key: str, value: str) -> str:
    """How a grant names a tag."""
    return f"{key}:{value}"
