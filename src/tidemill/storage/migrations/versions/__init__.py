"""The steps, in the order of their revisions. One text for SQLite and PostgreSQL."""
