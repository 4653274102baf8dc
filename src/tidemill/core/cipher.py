"""Secrets at rest: one key per installation. Encrypts text and derives keys for other purposes; keeps no text."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tidemill.core.errors import BadInput, TidemillError

DERIVED_KEY_BYTES = 32


class WrongKey(TidemillError):
    """What is stored was encrypted with another key."""


class Cipher:
    """`key` is as Fernet writes it: 32 bytes in URL-safe base64."""

    def __init__(self, key: bytes) -> None:
        try:
            self._fernet = Fernet(key)
        except ValueError as error:
            raise BadInput("the installation's key is not a Fernet key (32 bytes in URL-safe base64)") from error
        self._key = key

    def encrypt(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def decrypt(self, token: str) -> str:
        """Raises `WrongKey`."""
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except InvalidToken as error:
            raise WrongKey("a stored secret cannot be read: it was encrypted with another key") from error

    def derive(self, purpose: str) -> bytes:
        """A key of its own for each purpose (signing tokens, ...), the same at every start."""
        derivation = HKDF(algorithm=SHA256(), length=DERIVED_KEY_BYTES, salt=None, info=purpose.encode())
        return derivation.derive(self._key)


def load_or_create_key(path: Path) -> bytes:
    """The key in this file, made at first use and readable by its owner alone. Two processes get the same one."""
    with suppress(FileNotFoundError):
        return path.read_bytes().strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written whole under another name, then linked: a link fails where the file exists, and no reader
    # ever sees half a key.
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
    return path.read_bytes().strip()
