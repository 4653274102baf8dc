"""Who asks: a user, or an application as `app:<id>`."""

from __future__ import annotations

import msgspec

from tidemill.access.granted import NOTHING, Granted

APPLICATION_PREFIX = "app:"


class Principal(msgspec.Struct, frozen=True):
    """`id` is what authorship and the audit log name. `more` has the names of the actions that roles of the users' own
    making allow."""

    id: str
    name: str
    roles: tuple[str, ...]
    more: frozenset[str] = frozenset()
    granted: Granted = NOTHING

    @property
    def is_application(self) -> bool:
        return self.id.startswith(APPLICATION_PREFIX)


ANONYMOUS = Principal("anonymous", "anonymous", ())


def application_principal_id(application_id: str) -> str:
    return APPLICATION_PREFIX + application_id
