"""Table of requested and restored backups."""

from sqlalchemy import BigInteger, Column, String, Table, Text, Uuid

from tallystick.database.tables import metadata, time_column

backups = Table(
    "backups",
    metadata,
    Column("backup_id", Uuid, primary_key=True),
    Column("directory", Text, nullable=False),
    Column(
        "state", String(20), nullable=False
    ),  # wanted, running, done, failed; restored: this database is that backup
    time_column("wanted_at"),
    time_column("finished_at", nullable=True),
    Column("events", BigInteger, nullable=False),  # copied so far
    Column("of_events", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),  # the error
)
