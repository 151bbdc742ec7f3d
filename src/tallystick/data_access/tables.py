"""Tables of data access."""

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text

from tallystick.database.tables import metadata, org_column, time_column

# Reads that are recorded as one event with their number, when their period is over.
data_access_counts = Table(
    "data_access_counts",
    metadata,
    org_column(primary_key=True),
    Column("reader_id", String(40), primary_key=True),
    Column("kind", String(10), primary_key=True),  # requests, streams, views
    Column("start", BigInteger, primary_key=True),  # of the period, in microseconds since 1970 UTC
    Column("reader", Text, nullable=False),  # the principal as JSON
    Column("address", String(45), nullable=False),
    Column("number", Integer, nullable=False),
    time_column("last_at"),
)

# Without a row, people's views are recorded as usual.
data_access_settings = Table(
    "data_access_settings",
    metadata,
    org_column(primary_key=True),
    Column("views", String(10), nullable=False),
)
