"""How the connection to a cluster is secured: what an integration says of it, and what that is for librdkafka.

Under the keys of the Orkes document, and some of ours: a client's certificate and its key, and trust in any server.
Opens nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from tidemill.core.findings import Finding, near

MASK = "***"
"""In the place of a password in what is shown, and in what comes back of it."""

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
CONNECTION_TYPES = (*PROTOCOLS[:2], *(f"{kind}/{mechanism}" for kind in PROTOCOLS[2:] for mechanism in MECHANISMS))
"""As forms offer them."""
KEYS = (
    "mechanism",
    "user",
    "password",
    "truststoreAuthenticationType",
    "file",
    "clientCertificate",
    "clientKey",
    "clientKeyPassword",
    "trustAnyCertificate",
)
SECRET_SETTINGS = frozenset({"sasl.password", "ssl.key.pem", "ssl.key.password"})
"""Of librdkafka: what nobody is told."""

_STORES = ("NONE", "PEM")
_LATER_STORES = ("JKS", "PKCS12")
_OF_TLS = ("file", "clientCertificate", "clientKey", "clientKeyPassword")
_OF_SASL = ("mechanism", "user", "password")
_AT = "configuration."


class Connection(msgspec.Struct, frozen=True):
    """`connectionType`, read: `SASL_SSL`, `SASL_SSL/PLAIN` or `SASL_SSL/SCRAM-SHA-256/JKS`."""

    protocol: str
    mechanism: str
    store: str

    @property
    def is_sasl(self) -> bool:
        return self.protocol.startswith("SASL")

    @property
    def is_tls(self) -> bool:
        return self.protocol.endswith("SSL")


def connection(values: Mapping[str, Any]) -> Connection:
    protocol, mechanism, store, *_ = [*str(values["connectionType"]).split("/"), "", ""]
    protocol = re.sub(r"[ _-]", "_", protocol.strip()).upper()
    asked = mechanism.strip() or _text(values, "mechanism")
    kept = store.strip() or _text(values, "truststoreAuthenticationType") or "NONE"
    return Connection("PLAINTEXT" if protocol == "PLAIN_TEXT" else protocol, asked.upper(), kept.upper())


def security_findings(values: Mapping[str, Any]) -> Iterator[Finding]:
    """Of a configuration, under its keys."""
    asked = connection(values)
    if asked.protocol not in PROTOCOLS:
        message = f"must be one of {', '.join(CONNECTION_TYPES)}{near(asked.protocol, PROTOCOLS)}"
        yield Finding(f"{_AT}connectionType", message)
        return
    yield from _sasl_findings(asked, values)
    yield from _tls_findings(asked, values)


def settings_of(values: Mapping[str, Any]) -> Mapping[str, str | bool]:
    """For librdkafka, of a configuration without errors; nothing for PLAINTEXT."""
    asked = connection(values)
    found: dict[str, str | bool] = {}
    if asked.protocol != "PLAINTEXT":
        found["security.protocol"] = asked.protocol.lower()
    if asked.is_sasl:
        found |= {"sasl.mechanism": asked.mechanism, "sasl.username": _text(values, "user")}
        found["sasl.password"] = str(values.get("password") or "")
    if asked.is_tls:
        found |= {name: _text(values, key) for key, name in _PEM.items() if _text(values, key)}
        if values.get("trustAnyCertificate"):
            found["enable.ssl.certificate.verification"] = False
    return found


_PEM = {
    "file": "ssl.ca.pem",
    "clientCertificate": "ssl.certificate.pem",
    "clientKey": "ssl.key.pem",
    "clientKeyPassword": "ssl.key.password",
}


def _sasl_findings(asked: Connection, values: Mapping[str, Any]) -> Iterator[Finding]:
    if not asked.is_sasl:
        for key in _OF_SASL:
            if _text(values, key) not in ("", "NONE"):
                yield Finding(f"{_AT}{key}", f"is for SASL only, and connectionType is {asked.protocol}")
        return
    at = f"{_AT}{'connectionType' if '/' in str(values['connectionType']) else 'mechanism'}"
    if not asked.mechanism:
        yield Finding(at, f"is missing: one of {', '.join(MECHANISMS)}", kind="missing")
    elif asked.mechanism in ("OAUTHBEARER", "GSSAPI", "AWS_MSK_IAM"):
        yield Finding(at, f"not yet supported: SASL mechanism {asked.mechanism}", kind="not_supported")
    elif asked.mechanism not in MECHANISMS:
        yield Finding(at, f"must be one of {', '.join(MECHANISMS)}{near(asked.mechanism, MECHANISMS)}")
    for key in ("user", "password"):
        if not _text(values, key):
            yield Finding(f"{_AT}{key}", "is missing", kind="missing")


def _tls_findings(asked: Connection, values: Mapping[str, Any]) -> Iterator[Finding]:
    at = f"{_AT}truststoreAuthenticationType"
    if asked.store in _LATER_STORES:
        yield Finding(at, f"not yet supported: {asked.store} trust stores; give PEM", kind="not_supported")
    elif asked.store not in _STORES:
        yield Finding(at, f"must be one of {', '.join(_STORES)}")
    elif asked.store == "PEM" and not _text(values, "file"):
        yield Finding(f"{_AT}file", "is missing: the certificates to trust, in PEM", kind="missing")
    if not asked.is_tls:
        for key in _OF_TLS:
            if _text(values, key):
                yield Finding(f"{_AT}{key}", f"is for TLS only, and connectionType is {asked.protocol}")
        return
    for key in ("file", "clientCertificate"):
        if (text := _text(values, key)) and not _is_pem(text, "CERTIFICATE"):
            yield Finding(f"{_AT}{key}", "is no certificate in PEM (-----BEGIN CERTIFICATE-----)")
    key_text = _text(values, "clientKey")
    if key_text and key_text != MASK and not _is_pem(key_text, "PRIVATE KEY"):
        yield Finding(f"{_AT}clientKey", "is no key in PEM (-----BEGIN PRIVATE KEY-----)")
    for one, other in (("clientCertificate", "clientKey"), ("clientKey", "clientCertificate")):
        if _text(values, one) and not _text(values, other):
            yield Finding(f"{_AT}{other}", f"is missing beside {one}", kind="missing")


def _is_pem(text: str, label: Literal["CERTIFICATE", "PRIVATE KEY"]) -> bool:
    """As it looks; whether it holds what it should, the test of the connection says."""
    whole = r"-----BEGIN (?:[A-Z]+ )?" + label + r"-----\s[A-Za-z0-9+/=\s:,.-]+-----END (?:[A-Z]+ )?" + label + r"-----"
    return re.search(whole, text) is not None


def _text(values: Mapping[str, Any], key: str) -> str:
    return str(values.get(key) or "").strip()
