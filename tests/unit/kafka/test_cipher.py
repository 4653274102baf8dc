"""The cipher and its key file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tidemill.core.cipher import Cipher, WrongKey, load_or_create_key
from tidemill.core.errors import BadInput


def test_the_key_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret.key"
    key = load_or_create_key(path)
    assert load_or_create_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path], "the draft is gone"


def test_text_comes_back_and_another_key_is_told(tmp_path: Path) -> None:
    cipher = Cipher(load_or_create_key(tmp_path / "a"))
    token = cipher.encrypt("pässword")
    assert "pässword" not in token
    assert cipher.decrypt(token) == "pässword"
    with pytest.raises(WrongKey):
        Cipher(load_or_create_key(tmp_path / "b")).decrypt(token)


def test_each_purpose_has_a_key_of_its_own(tmp_path: Path) -> None:
    key = load_or_create_key(tmp_path / "a")
    assert Cipher(key).derive("tokens") == Cipher(key).derive("tokens")
    assert Cipher(key).derive("tokens") != Cipher(key).derive("cookies")


def test_a_key_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="Fernet"):
        Cipher(b"too short")
