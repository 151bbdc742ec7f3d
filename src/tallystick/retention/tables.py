"""Tables of retention."""

from sqlalchemy import BigInteger, Column, Integer, Table, Text, Uuid

from tallystick.database.tables import metadata, org_column, time_column

# When an organization's events are looked through next.
purges = Table(
    "purges",
    metadata,
    org_column(primary_key=True),
    time_column("next_run_at"),
    time_column("last_run_at", nullable=True),
)

# A deletion that the trail is told of, or was told of: the row goes when its events are gone.
prunings = Table(
    "prunings",
    metadata,
    org_column(primary_key=True),
    Column("pruning_id", Uuid, primary_key=True),
    Column("entry_id", BigInteger, nullable=False),  # in the outbox until the record is in the log
    Column("indexes", Text, nullable=False),  # 0-99,105
    Column("events", Integer, nullable=False),
    time_column("before"),
    time_column("made_at"),
)
