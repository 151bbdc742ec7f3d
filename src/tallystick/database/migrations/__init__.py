"""Alembic's migrations of the control database, one file per step, forwards only."""
