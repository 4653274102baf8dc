"""Runs of chains that wait: kept in the database, taken up again, and settled."""
