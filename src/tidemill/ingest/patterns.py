"""Topics by pattern, in linear time whatever the pattern: it is matched inside of the server."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

INTERNAL = "__"
"""How the names of Kafka's own topics begin; no pattern means them."""


def pattern_error(pattern: str) -> str | None:
    """What is wrong with it; None where nothing is."""
    import re2

    try:
        _compiled(pattern)
    except re2.error as error:
        return str(error.args[0].decode() if isinstance(error.args[0], bytes) else error)
    return None


def is_meant(pattern: str, topic: str) -> bool:
    """Whether the pattern is found in the name; `^` and `$` are its ends."""
    return not topic.startswith(INTERNAL) and _compiled(pattern).search(topic) is not None


@lru_cache(maxsize=1_000)
def _compiled(pattern: str) -> Any:
    import re2  # only who has patterns pays for it

    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)
