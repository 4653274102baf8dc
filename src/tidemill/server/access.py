"""Builds the room of access: who may what. Owns nothing that has to be closed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from tidemill.access.applications import Applications
from tidemill.access.audit import Audit
from tidemill.access.ceiling import Ceiling
from tidemill.access.custom_roles import CustomRoles
from tidemill.access.grants import Grants
from tidemill.access.hashes import SecretHasher
from tidemill.access.named_secrets import NamedSecrets
from tidemill.access.people import People
from tidemill.access.service import Access, Rights
from tidemill.access.tags import Tags
from tidemill.access.tokens import TokenSigner
from tidemill.server.ground import Ground
from tidemill.storage.access import StoredAuditLog, StoredPrincipals
from tidemill.storage.grants import StoredGrants, StoredRoles
from tidemill.storage.groups import StoredGroups
from tidemill.storage.secrets import StoredSecrets
from tidemill.storage.tags import StoredTags


@dataclass(frozen=True, slots=True)
class AccessParts:
    access: Access
    applications: Applications
    people: People
    grants: Grants
    roles: CustomRoles
    secrets: NamedSecrets
    tags: Tags
    audit: Audit

    def services(self) -> dict[str, Any]:
        """Under the names that the API knows them by."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def build_access(ground: Ground) -> AccessParts:
    database, clock = ground.database, ground.clock
    principals, groups, hasher = StoredPrincipals(database), StoredGroups(database), SecretHasher()
    tags, grants, roles = StoredTags(database), StoredGrants(database), StoredRoles(database)
    audit = Audit(StoredAuditLog(database), database, clock)
    signer = TokenSigner(ground.cipher.derive("tokens"), round(ground.settings.token_hours * 3600))
    access = Access(principals, groups, Rights(roles, grants, tags), audit, database, signer, hasher, clock)
    ceiling = Ceiling(roles, grants, audit)
    return AccessParts(
        access=access,
        applications=Applications(principals, grants, ceiling, access, audit, database, hasher, clock),
        people=People(principals, groups, grants, ceiling, access, audit, database, clock),
        grants=Grants(grants, tags, principals, groups, ceiling, access, audit, database),
        roles=CustomRoles(roles, principals, groups, grants, ceiling, access, audit, database, clock),
        secrets=NamedSecrets(StoredSecrets(database), tags, ground.cipher, audit, database, clock),
        tags=Tags(tags, audit, database, access.forget_sessions),
        audit=audit,
    )
