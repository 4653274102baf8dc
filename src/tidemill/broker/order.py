"""What a server tells the broker that is its child process, and what it hears from it. Imports nothing of the broker's
work, which the server need not carry.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tidemill.broker.metrics import BrokerMetrics
from tidemill.broker.settings import BrokerSettings


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent wants. `lock_wait_s`: how long the child of a predecessor that was killed may take to go."""

    parent: int
    settings: BrokerSettings
    lock_wait_s: float
    report_every_s: float
    log_format: str
    log_level: str

    def encoded(self) -> str:
        return msgspec.json.encode(self, enc_hook=str).decode()


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of what the child says. The first has `address` or `error`."""

    address: str | None = None
    error: str | None = None
    metrics: BrokerMetrics | None = None


def read_order(text: str) -> Order:
    return msgspec.json.decode(text, type=Order, dec_hook=_decoded)


def _decoded(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)
