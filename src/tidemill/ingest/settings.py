"""The bounds and intervals of the pumps. Only numbers; who may change them is the server's business."""

from __future__ import annotations

import msgspec

from tidemill.ingest.subscription import RetryPolicy


class PumpSettings(msgspec.Struct, frozen=True):
    """What bounds a pump. A batch ends at whichever of its two bounds comes first."""

    batch_records_max: int = 1_000
    batch_bytes_max: int = 8_000_000
    """Keys and values of one transaction; a single record may be larger."""
    poll_wait_s: float = 0.1
    definitions_every_s: float = 0.5
    """How often definitions are looked at without being told; a commit notices a change in any case."""
    inspect_every_s: float = 5.0
    """How often topic ids and log ends are asked of the broker."""
    note_every_s: float = 1.0
    """How often Kafka's group is told how far the database is."""
    hops_max: int = 16
    backoff: RetryPolicy = RetryPolicy(first_delay_ms=100, delay_ms_max=5_000)
    """The waits while the database or the broker is away; it never gives up."""
