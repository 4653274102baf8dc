"""Tidemill puts Kafka topics to work: records start and steer workflows, exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemill.rules.endpoints.processors import processor as processor

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What a plugin needs, imported when it is asked for: importing `tidemill` costs nothing."""
    if name != "processor":
        raise AttributeError(f"module 'tidemill' has no attribute {name!r}")
    from tidemill.rules.endpoints.processors import processor

    return processor
