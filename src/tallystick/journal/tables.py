"""Tables of the journal."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

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
