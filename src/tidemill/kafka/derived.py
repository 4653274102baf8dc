"""Integrations that are made for bootstrap servers which a definition names, so that it runs as it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.core.findings import Finding
from tidemill.ingest.clusters import servers_of
from tidemill.rules.ports import DERIVED, NOT_DERIVED, Credentials, Stranger

_NAME_MAX = 60
_KEYS = {"endpoint": "server", "connectionType": "tls", "mechanism": "sasl", "user": "sasl", "password": "sasl"}


def derived_name(servers: str) -> str:
    """The same for the same servers, in whatever order."""
    text = "_".join(sorted(servers_of(servers)))
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", text)
    if len(plain) > _NAME_MAX:
        plain = f"{plain[:_NAME_MAX]}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"
    return DERIVED + plain


def derived_body(stranger: Stranger) -> Mapping[str, Any]:
    configuration = {"endpoint": stranger.servers, "connectionType": "PLAINTEXT", **_security(stranger.credentials)}
    return {
        "type": "kafka",
        "description": "Made for the servers that a rule chain names",
        "configuration": configuration,
    }


def derived_findings(stranger: Stranger, findings: Sequence[Finding]) -> list[Finding]:
    """What is wrong with the integration, at the place in the chain that it comes from."""
    found = []
    for finding in findings:
        key = _KEYS.get(finding.path.rpartition(".")[2], "server")
        found.append(Finding(f"{stranger.path}.{key}", finding.message, NOT_DERIVED))
    return found


def _security(credentials: Credentials | None) -> Mapping[str, Any]:
    if credentials is None:
        return {}
    trust = {"trustAnyCertificate": True} if credentials.is_tls and credentials.is_any_certificate_trusted else {}
    if not credentials.mechanism:
        return {"connectionType": "SSL", **trust}
    kind = "SASL_SSL" if credentials.is_tls else "SASL_PLAINTEXT"
    return {
        "connectionType": kind,
        "mechanism": credentials.mechanism,
        "user": credentials.user,
        "password": credentials.password,
        **trust,
    }
