"""What rule chains cause. Each is written by `rules.door` in the transaction of the record that caused it."""

from __future__ import annotations

import msgspec

from tidemill.ingest.publication import Publication


class Publish(msgspec.Struct, frozen=True):
    """Its headers are the user's; the door adds hops and trace."""

    publication: Publication
