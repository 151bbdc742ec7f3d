"""Table of the outbox."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table

from tallystick.database.tables import metadata, org_column, time_column

outbox = Table(
    "outbox",
    metadata,
    org_column(),
    # SQLite counts up by itself only in a column that is called INTEGER.
    Column("entry_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event", LargeBinary, nullable=False),
    Column("recorded_by", LargeBinary, nullable=False),
    time_column("written_at"),
    Index("ix_outbox_org_id_entry_id", "org_id", "entry_id"),
)
