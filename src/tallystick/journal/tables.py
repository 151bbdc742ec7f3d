"""Tables of the journal."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, Uuid

from tallystick.database.tables import metadata, org_column, time_column

journal = Table(
    "journal",
    metadata,
    org_column(primary_key=True),
    Column("first_index", BigInteger, primary_key=True),
    Column("events", Integer, nullable=False),
    # The span of reception, since an id holds its time and can be looked for by it.
    time_column("received_from"),
    time_column("received_to"),
    # Records in MessagePack, one array, compressed with zstd.
    Column("body", LargeBinary, nullable=False),
)

set_aside = Table(
    "set_aside",
    metadata,
    org_column(primary_key=True),
    Column("log_index", BigInteger, primary_key=True),
    Column("record", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    time_column("set_aside_at"),
)

# Ranges of indexes that the event store lacks though it held them; `events` of them are missing, the others expired.
missing_ranges = Table(
    "missing_ranges",
    metadata,
    org_column(primary_key=True),
    Column("first_index", BigInteger, primary_key=True, autoincrement=False),
    Column("last_index", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    time_column("received_before"),  # all of them
    time_column("noticed_at"),
    Column("noticed_by", String(40), nullable=False),
)

# Batches that the event store has, kept for some hours in case that it loses them.
journal_tail = Table(
    "journal_tail",
    metadata,
    org_column(primary_key=True),
    Column("first_index", BigInteger, primary_key=True),
    Column("events", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),  # as in `journal`
    Column("bytes", Integer, nullable=False),
    time_column("kept_at"),
    Index("ix_journal_tail_kept_at", "kept_at", "bytes"),
)

# Events that the operator has accepted as lost: no copy has them. The trail names each (`audit_log.events_lost`).
lost_events = Table(
    "lost_events",
    metadata,
    org_column(primary_key=True),
    Column("loss_id", Uuid, primary_key=True),
    Column("entry_id", BigInteger, nullable=False),  # of the outbox: while it waits there, no record names them
    Column("indexes", Text, nullable=False),  # as 0-99,105
    Column("events", BigInteger, nullable=False),
    time_column("received_before"),  # all of them
    time_column("accepted_at"),
)
