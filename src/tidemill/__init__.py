"""Tidemill puts Kafka topics to work: records start and steer workflows, exactly once."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemill.rules.endpoints.processors import processor as processor
    from tidemill.rules.functions import function as function

__version__ = "0.1.0"

_PLUGS = {"processor": "tidemill.rules.endpoints.processors", "function": "tidemill.rules.functions"}


def __getattr__(name: str) -> Any:
    """What a plugin needs, imported when it is asked for: importing `tidemill` costs nothing."""
    if name not in _PLUGS:
        raise AttributeError(f"module 'tidemill' has no attribute {name!r}")
    return getattr(import_module(_PLUGS[name]), name)
