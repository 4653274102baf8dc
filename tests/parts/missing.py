"""What to do when a real part is not on this machine: skip with one sentence, or fail where nothing may be skipped."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(sentence: str) -> NoReturn:
    """Ends the test. `sentence` says what to install."""
    if os.environ.get("CI") == "true":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)
