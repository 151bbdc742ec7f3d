"""Tables of retention: purges, holds, exported ranges, archives."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, SmallInteger, String, Table, Text, Uuid

from tallystick.database.tables import metadata, org_column, time_column

# The next and the last daily purge of an organization.
purges = Table(
    "purges",
    metadata,
    org_column(primary_key=True),
    time_column("next_run_at"),
    time_column("last_run_at", nullable=True),
)

# Deletions that are recorded, or whose record waits in the outbox; a row is removed after its events.
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

# The events that purges deleted: what a row of `prunings` becomes once its events are gone.
purged_indexes = Table(
    "purged_indexes",
    metadata,
    org_column(primary_key=True),
    Column("pruning_id", Uuid, primary_key=True),
    Column("indexes", Text, nullable=False),
    Column("events", BigInteger, nullable=False),
)

legal_holds = Table(
    "legal_holds",
    metadata,
    org_column(primary_key=True),
    Column("hold_id", Uuid, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("query", Text, nullable=False),
    Column("start", Text, nullable=False),  # as it was entered; empty: no limit
    Column("end", Text, nullable=False),
    Column("placed_by", String(254), nullable=False),
    time_column("placed_at"),
    time_column("released_at", nullable=True),
)

# One row: the last trusted time of the clock, and how long a doubted one has been confirmed.
clock_witness = Table(
    "clock_witness",
    metadata,
    Column("witness", SmallInteger, primary_key=True, autoincrement=False),
    time_column("seen_at"),
    time_column("doubted_at", nullable=True),
    time_column("doubted_through", nullable=True),
    Column("confirmed", BigInteger, nullable=False),  # microseconds without a leap
)

# Indexes of events that were exported or archived; incomplete when there were too many ranges.
exported_ranges = Table(
    "exported_ranges",
    metadata,
    org_column(primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)

# When the owners were last warned of expiring events, and whether the warning is off.
retention_mails = Table(
    "retention_mails",
    metadata,
    org_column(primary_key=True),
    Column("off", Boolean, nullable=False),
    time_column("told_at", nullable=True),
)

# The bundles written to the archive, one row for each step of a purge.
archives = Table(
    "archives",
    metadata,
    org_column(primary_key=True),
    Column("archive_id", Uuid, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("events", Integer, nullable=False),
    time_column("written_at"),
)

# Why an organization's archive cannot be written; nothing of it is deleted meanwhile.
archive_problems = Table(
    "archive_problems",
    metadata,
    org_column(primary_key=True),
    Column("problem", String(300), nullable=False),
    time_column("since"),
)
