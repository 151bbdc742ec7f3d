"""Tables of the integrity check and of public logs."""

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table, Text, Uuid

from tallystick.database.tables import metadata, org_column, time_column

# The rounds of each log: `running` and `last` are a `rounds.Round` as JSON.
integrity_rounds = Table(
    "integrity_rounds",
    metadata,
    org_column(primary_key=True),
    time_column("begun_at", nullable=True),  # start of the last round
    Column("running", LargeBinary),
    Column("last", LargeBinary),
    Column("wanted", LargeBinary),  # the principal that requested a round which has not started
)

# Logs that anybody may read without a key.
public_logs = Table(
    "public_logs",
    metadata,
    org_column(primary_key=True),
    time_column("since"),
)

# Data parts of the event store whose files the engine found damaged, with its words.
damaged_parts = Table(
    "damaged_parts",
    metadata,
    Column("part", String(300), primary_key=True),
    Column("problem", Text, nullable=False),
    time_column("noticed_at"),
)

# Commands about missing events that a running server with an embedded event store is asked to carry out.
store_requests = Table(
    "store_requests",
    metadata,
    Column("request_id", Uuid, primary_key=True),
    Column("command", Text, nullable=False),  # a `store_requests.StoreCommand` as JSON
    Column("state", String(20), nullable=False),  # wanted, running, done, failed
    time_column("wanted_at"),
    time_column("finished_at", nullable=True),
    Column("events", BigInteger, nullable=False),  # done so far
    Column("of_events", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),  # the result as JSON, or the error
)
