"""The installation's key: from the settings, or made once under the data folder. Stored secrets tell a wrong one."""

from __future__ import annotations

import base64
import hashlib

from tidemill.core.cipher import Cipher, WrongKey, load_or_create_key
from tidemill.core.errors import BadInput
from tidemill.core.settings import Settings
from tidemill.storage.meta import Meta

CANARY = "secret_key_canary"


async def open_cipher(settings: Settings, meta: Meta) -> Cipher:
    """Raises `BadInput` where this key is not the one that the database's secrets were encrypted with."""
    cipher = _cipher(settings)
    stored = await meta.get(CANARY) or await meta.keep(CANARY, cipher.encrypt(CANARY))
    try:
        cipher.decrypt(stored)
    except WrongKey as error:
        raise BadInput(
            "the secret key is not the one that this database was set up with: give all workers the same "
            f"TIDEMILL_SECRET_KEY, or the file {settings.data / 'secret.key'} of the first one"
        ) from error
    return cipher


def _cipher(settings: Settings) -> Cipher:
    if settings.secret_key is not None:
        digest = hashlib.sha256(settings.secret_key.get_secret_value().encode()).digest()
        return Cipher(base64.urlsafe_b64encode(digest))
    path = settings.data / "secret.key"
    try:
        return Cipher(load_or_create_key(path))
    except OSError as error:
        raise BadInput(f"the secret key {path} cannot be read or made: {error.strerror}") from error
    except BadInput as error:
        raise BadInput(f"{path}: {error}; put back the one that was there") from error
