"""What this broker is called in its answers."""

from __future__ import annotations

import msgspec


class Node(msgspec.Struct, frozen=True):
    """Where clients are told to connect to."""

    id: int
    host: str
    port: int
    cluster_id: str
