"""What the broker keeps of a password: salted keys as RFC 5802 (SCRAM) derives them, never the password."""

from __future__ import annotations

import hashlib
import hmac
import secrets

import msgspec

ITERATIONS = 8192
"""Java's clients take 4096 to 16384."""
SALT_BYTES = 24

MECHANISMS = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
"""Of SCRAM, with the hash of each. PLAIN is checked against the first."""


class Credential(msgspec.Struct, frozen=True):
    """For one user and one mechanism."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


def credential(mechanism: str, password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> Credential:
    """Takes milliseconds, on purpose."""
    algorithm = MECHANISMS[mechanism]
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", algorithm)
    return Credential(
        salt=salt,
        iterations=iterations,
        stored_key=hashlib.new(algorithm, client_key).digest(),
        server_key=hmac.digest(salted, b"Server Key", algorithm),
    )


def decoy(mechanism: str, user: str, secret: bytes) -> Credential:
    """For a user that is not there: looks the same each time and fits no password."""
    algorithm = MECHANISMS[mechanism]
    size = hashlib.new(algorithm).digest_size
    salt = hmac.digest(secret, user.encode(), "sha256")[:SALT_BYTES]
    return Credential(salt, ITERATIONS, secrets.token_bytes(size), secrets.token_bytes(size))
