"""Tables of the integrity check, and of who lets everybody read the log."""

from sqlalchemy import Column, LargeBinary, Table

from tallystick.database.tables import metadata, org_column, time_column

# How far each log is looked through: a `rounds.Round` as JSON each.
integrity_rounds = Table(
    "integrity_rounds",
    metadata,
    org_column(primary_key=True),
    time_column("begun_at", nullable=True),  # the last round
    Column("running", LargeBinary),
    Column("last", LargeBinary),
    Column("wanted", LargeBinary),  # who asked for a round that has not begun
)

# Logs that are read without a key.
public_logs = Table(
    "public_logs",
    metadata,
    org_column(primary_key=True),
    time_column("since"),
)
