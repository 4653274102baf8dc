"""Databases of users (`rules.ports.Databases`): PostgreSQL, MySQL and SQLite, each behind a pool. A driver is loaded
when a statement first needs it."""
