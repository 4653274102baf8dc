"""What the publisher needs from the database: the outbox, whose shapes lie where `storage` can see them too."""

from __future__ import annotations

from tidemill.ingest.outbox import Lease, NumberedBatch, Outbox, OutboxRow

__all__ = ["Lease", "NumberedBatch", "Outbox", "OutboxRow"]
