"""W3C trace context: the `traceparent` of what an execution publishes. Draws no random numbers: ids are derived."""

from __future__ import annotations

import re
from hashlib import blake2b

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")
_NO_TRACE = "0" * 32


def child_of(traceparent: str | None, execution_id: str, task_id: str) -> str:
    """The task's own span, in the trace that caused the execution; in a trace of its own where there is none,
    or where the one given is no trace."""
    span = blake2b(task_id.encode(), digest_size=8).hexdigest()
    known = _TRACEPARENT.match(traceparent) if traceparent else None
    if known is not None and known[1] != _NO_TRACE:
        return f"00-{known[1]}-{span}-{known[2]}"
    return f"00-{blake2b(execution_id.encode(), digest_size=16).hexdigest()}-{span}-01"
