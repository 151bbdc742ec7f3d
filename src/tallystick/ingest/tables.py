"""Tables of ingest."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, Uuid

from tallystick.database.tables import metadata, org_column, time_column

external_ids = Table(
    "external_ids",
    metadata,
    org_column(primary_key=True),
    Column("external_id", String(128), primary_key=True),
    Column("log_index", BigInteger, nullable=False),
    Column("event_id", LargeBinary(16), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    time_column("occurred_at"),
    Index("ix_external_ids_org_id_log_index", "org_id", "log_index"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    org_column(primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body_digest", LargeBinary(32), nullable=False),
    Column("answer", LargeBinary, nullable=False),
    time_column("answered_at"),
    Index("ix_idempotency_keys_answered_at", "answered_at"),
)

# How many events rules dropped, by hour, rule, sender (the id of a key) and action, and how many of them are recorded
# in the trail; empty sender and action: further ones of the hour.
dropped_events = Table(
    "dropped_events",
    metadata,
    org_column(primary_key=True),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),  # its beginning, microseconds
    Column("rule_id", String(40), primary_key=True),
    Column("sender", String(40), primary_key=True),
    Column("action", String(100), primary_key=True),
    Column("events", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("recorded_events", BigInteger, nullable=False),
    Column("recorded_bytes", BigInteger, nullable=False),
)

# One row: which event store the events of this database are in, and which node has it, if it is embedded.
# No id of a store: the next one that is opened is accepted as it is.
store_identity = Table(
    "store_identity",
    metadata,
    Column("identity_id", Integer, primary_key=True, autoincrement=False),
    Column("store_id", Uuid),
    Column("node_id", Uuid),
)

# A shipment is fixed before it is sent: which indexes, under which token. Ranges of one organization
# are given out in index order; a shipment is `open` until every row of it is known to be in the store.
shipments = Table(
    "shipments",
    metadata,
    Column("shipment_id", Uuid, primary_key=True),
    Column("token", String(64), nullable=False),
    Column("store_id", Uuid, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    time_column("created_at"),
)

shipment_ranges = Table(
    "shipment_ranges",
    metadata,
    Column("org_id", Uuid, primary_key=True),
    Column("first_index", BigInteger, primary_key=True),
    Column("end_index", BigInteger, nullable=False),
    Column("shipment_id", Uuid, ForeignKey("shipments.shipment_id", ondelete="CASCADE"), nullable=False, index=True),
)

# Rebuilds of the table of events: `wanted` by the command line, `running`, or `done`; one runs at a time.
store_rebuilds = Table(
    "store_rebuilds",
    metadata,
    Column("rebuild_id", Uuid, primary_key=True),
    Column("state", String(20), nullable=False),
    Column("copy", Integer, nullable=False),  # the number of the new table; 0 before it is running
    time_column("wanted_at"),
    time_column("finished_at", nullable=True),
    Column("events", BigInteger, nullable=False),  # in the new table so far
    Column("of_events", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),  # why it waits; empty if it does not
)
