"""The server that acceptance tests talk to."""

from __future__ import annotations

from tests.parts.server import server

__all__ = ["server"]
