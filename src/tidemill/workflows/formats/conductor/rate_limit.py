"""`rateLimitConfig` of a workflow: how many of its executions run at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidemill.expressions.document import Fields
from tidemill.expressions.template import Template
from tidemill.workflows.plans.plan import AtOnce

KEY = "rateLimitConfig"
_POLICIES = ("QUEUE", "REJECT")


def read_rate_limit(fields: Fields, template: Callable[[Any, str], Template]) -> AtOnce | None:
    """None where there is no limit."""
    if not fields.object(KEY):
        return None
    limit = fields.fields(KEY)
    most = limit.whole("concurrentExecLimit")
    key = limit.text("rateLimitKey")
    if limit.choice("policy", _POLICIES, "QUEUE") == "REJECT":
        limit.warn("policy", "not supported: policy REJECT; what exceeds the limit waits", "not_supported")
    if most and not key:
        limit.warn("rateLimitKey", "is missing: all executions of the workflow count together", "missing")
    limit.finish()
    name = fields.value.get("name")
    of = template(key or name, limit.at("rateLimitKey"))
    return AtOnce(of, most) if most else None
