"""Tables of retention."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, SmallInteger, String, Table, Text, Uuid

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

# One row: the last time that the purge believed, and what it makes of one that is far ahead of it.
clock_witness = Table(
    "clock_witness",
    metadata,
    Column("witness", SmallInteger, primary_key=True, autoincrement=False),
    time_column("seen_at"),
    time_column("doubted_at", nullable=True),
    time_column("doubted_through", nullable=True),
    Column("confirmed", BigInteger, nullable=False),  # microseconds that it went on without a leap
)

# The indexes whose events left the server in an export or an archive, as far as they are known.
exported_ranges = Table(
    "exported_ranges",
    metadata,
    org_column(primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)

# When an organization's owners were told last what goes, and whether they want to be.
retention_mails = Table(
    "retention_mails",
    metadata,
    org_column(primary_key=True),
    Column("off", Boolean, nullable=False),
    time_column("told_at", nullable=True),
)

# What was written to the archive, one row for each step of a purge.
archives = Table(
    "archives",
    metadata,
    org_column(primary_key=True),
    Column("archive_id", Uuid, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("events", Integer, nullable=False),
    time_column("written_at"),
)

# Why nothing of an organization is deleted now: its archive cannot be written.
archive_problems = Table(
    "archive_problems",
    metadata,
    org_column(primary_key=True),
    Column("problem", String(300), nullable=False),
    time_column("since"),
)
