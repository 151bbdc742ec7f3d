"""Tables of exports."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, Uuid

from tallystick.database.tables import metadata, org_column, time_column

exports = Table(
    "exports",
    metadata,
    org_column(primary_key=True),
    Column("export_id", Uuid, primary_key=True),
    Column("format", String(20), nullable=False),
    Column("filter", Text, nullable=False),  # JSON: the names and values that were given
    Column("first", BigInteger, nullable=False),  # only events from this index on
    Column("position", BigInteger, nullable=False),  # the log's size when it was asked for
    Column("state", String(20), nullable=False),
    Column("gone", String(20), nullable=False),  # why a finished file is not there any more; empty while it is
    Column("run", Integer, nullable=False),  # so many times it was begun; whoever writes knows which he is
    Column("progress", Integer, nullable=False),  # thousandths
    Column("rows", BigInteger),
    Column("bytes", BigInteger),
    Column("sha256", String(64), nullable=False),
    Column("ranges", Text, nullable=False),  # the indexes in it, where every field of them is
    Column("error", Text, nullable=False),
    # Who asked, as what: the same must still be true when it is made.
    Column("by_kind", String(20), nullable=False),
    Column("by_id", String(100), nullable=False),
    Column("by_name", String(254), nullable=False),
    Column("by_email", String(254), nullable=False),
    Column("by_role", String(20), nullable=False),
    Column("address", String(45), nullable=False),
    Column("source", String(10), nullable=False),
    time_column("asked_at"),
    time_column("finished_at", nullable=True),
    time_column("expires_at", nullable=True),
    Index("ix_exports_state", "state"),
)
