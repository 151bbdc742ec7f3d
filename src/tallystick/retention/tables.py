"""Tables of retention."""

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text, Uuid

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

legal_holds = Table(
    "legal_holds",
    metadata,
    org_column(primary_key=True),
    Column("hold_id", Uuid, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("query", Text, nullable=False),
    Column("start", Text, nullable=False),  # as it was written; empty is open
    Column("end", Text, nullable=False),
    Column("placed_by", String(254), nullable=False),
    time_column("placed_at"),
    time_column("released_at", nullable=True),
)
