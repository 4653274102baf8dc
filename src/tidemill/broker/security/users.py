"""The users of a broker, in the file `users.json` of its data folder. The command changes it while a broker runs, which
reads it again when it has changed.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tidemill.broker.security.credentials import MECHANISMS, Credential, credential, decoy
from tidemill.core.errors import BadInput, Conflict, NotFound
from tidemill.core.file_lock import FileLock

FILE = "users.json"
NAME_LENGTH_MAX = 200

Stored = Mapping[str, Mapping[str, Credential]]
"""User → mechanism → credential."""
decode = msgspec.json.Decoder(dict[str, dict[str, Credential]]).decode


class Users:
    """Raises `OSError` where the file cannot be read or written, and `BadInput` where it is not one of ours."""

    def __init__(self, data: Path) -> None:
        self._path = data / FILE
        self._read_at: tuple[int, int, int] | None = None
        self._users: Stored = {}
        self._secret = secrets.token_bytes(32)

    def names(self) -> list[str]:
        return sorted(self._current())

    def credential(self, mechanism: str, name: str) -> Credential:
        """For a name that is not there one that nothing fits: nobody learns which names are there."""
        known = self._current().get(name, {})
        return known.get(mechanism) or decoy(mechanism, name, self._secret)

    def add(self, name: str, password: str) -> None:
        """Raises `Conflict` if the name is there."""
        if not name or len(name) > NAME_LENGTH_MAX or "\0" in name:
            raise BadInput(f"a user's name has 1 to {NAME_LENGTH_MAX} characters")
        if not password or "\0" in password:
            raise BadInput("a password has at least one character")
        lock = self._locked()
        try:
            users = dict(self._current())
            if name in users:
                raise Conflict(f"there is a user {name!r} already: remove it first to give it another password")
            users[name] = {mechanism: credential(mechanism, password) for mechanism in MECHANISMS}
            self._write(users)
        finally:
            lock.release()

    def remove(self, name: str) -> None:
        """Connections that are open stay open. Raises `NotFound`."""
        lock = self._locked()
        try:
            users = dict(self._current())
            if users.pop(name, None) is None:
                raise NotFound(f"there is no user {name!r}")
            self._write(users)
        finally:
            lock.release()

    def _locked(self) -> FileLock:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._path, "try again in a moment")
        lock.take()
        return lock

    def _current(self) -> Stored:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._read_at, self._users = None, {}
            return self._users
        at = (found.st_ino, found.st_mtime_ns, found.st_size)
        if at != self._read_at:
            try:
                self._users = decode(self._path.read_bytes())
            except msgspec.MsgspecError as error:
                raise BadInput(f"{self._path} is not a file of users: {error}") from error
            self._read_at = at
        return self._users

    def _write(self, users: Stored) -> None:
        draft = self._path.with_name(f"{FILE}.draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(users))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
