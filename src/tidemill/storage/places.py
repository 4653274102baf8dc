"""`ingest.ports.Places`: what the pump is given, over one database."""

from __future__ import annotations

from tidemill.ingest.ports import DeadLetters, Gaps, History, Parking, Positions
from tidemill.storage.database import Database
from tidemill.storage.dead_letters import StoredDeadLetters
from tidemill.storage.gaps import StoredGaps
from tidemill.storage.history import StoredHistory
from tidemill.storage.parking import StoredParking
from tidemill.storage.positions import StoredPositions


class StoredPlaces:
    positions: Positions
    parking: Parking
    dead_letters: DeadLetters
    history: History
    gaps: Gaps

    def __init__(self, database: Database) -> None:
        self.positions = StoredPositions(database)
        self.parking = StoredParking(database)
        self.dead_letters = StoredDeadLetters(database)
        self.history = StoredHistory(database)
        self.gaps = StoredGaps(database)
