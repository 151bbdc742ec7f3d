"""The control database: SQLite or PostgreSQL, one code path for both.

Promises: what `write()` leaves without an exception is on disk; on SQLite a write takes the lock at its start, so that
nothing waits in its middle; reads never block writes. Every package owns its tables (`tables.py`), on the `metadata`
here; Alembic migrations are in `migrations/`.
"""
