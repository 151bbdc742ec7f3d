"""The control database: SQLite or PostgreSQL, one code path through.

Promises: what `write()` leaves without an exception is on disk; a write on SQLite takes the
lock at its start, so that nothing waits in the middle; reads never block writes. Every package
owns its tables (`tables.py`) on the `metadata` here; Alembic migrations are in `migrations/`.
"""
