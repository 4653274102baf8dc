"""The embedded broker: Kafka's protocol over files, on one node. It knows nothing of the rest of Tidemill."""

from __future__ import annotations

from tidemill.broker.running import running

__all__ = ["running"]
