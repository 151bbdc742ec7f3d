"""Tables of exports and of links to them."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, Uuid, false

from tallystick.database.tables import metadata, org_column, time_column

exports = Table(
    "exports",
    metadata,
    org_column(primary_key=True),
    Column("export_id", Uuid, primary_key=True),
    Column("format", String(20), nullable=False),
    Column("columns", String(20), nullable=False, server_default="default"),  # of a CSV file
    Column("dialect", String(20), nullable=False, server_default="standard"),
    Column("filter", Text, nullable=False),  # JSON: the requested names and values
    Column("first", BigInteger, nullable=False),  # only events from this index on
    Column("position", BigInteger, nullable=False),  # the log's size at the time of the request
    Column("state", String(20), nullable=False),
    Column("gone", String(20), nullable=False),  # why a finished export has no file any more; empty while it has one
    Column(
        "run", Integer, nullable=False
    ),  # number of attempts; a process updates the row only while its own attempt is the current one
    Column("progress", Integer, nullable=False),  # thousandths
    Column("rows", BigInteger),
    Column("bytes", BigInteger),
    Column("sha256", String(64), nullable=False),
    Column("ranges", Text, nullable=False),  # the ranges of indexes that were exported completely
    Column("allow_missing", Boolean, nullable=False, server_default=false()),  # without the events that are missing
    Column("missing", Text, nullable=False, server_default=""),  # their ranges, as `ranges`
    Column("lost", Text, nullable=False, server_default=""),  # of events that are lost for good
    Column("error", Text, nullable=False),
    # The requester, with the role that must still be the same when the export is built.
    Column("by_kind", String(20), nullable=False),
    Column("by_id", String(100), nullable=False),
    Column("by_name", String(254), nullable=False),
    Column("by_email", String(254), nullable=False),
    Column("by_role", String(20), nullable=False),
    # The requester's filter, as a digest: who has another one by now does not see what this one let through.
    Column("view", String(64), nullable=False, server_default=""),
    Column("address", String(45), nullable=False),
    Column("source", String(10), nullable=False),
    time_column("asked_at"),
    time_column("finished_at", nullable=True),
    time_column("expires_at", nullable=True),
    Index("ix_exports_state", "state"),
)

export_links = Table(
    "export_links",
    metadata,
    org_column(primary_key=True),
    Column("link_id", Uuid, primary_key=True),
    Column("export_id", Uuid, nullable=False),
    # Who made it; on each use, this one's access is read again.
    Column("by_kind", String(20), nullable=False),
    Column("by_id", String(100), nullable=False),
    Column("by_name", String(254), nullable=False),
    Column("by_email", String(254), nullable=False),
    Column("view", String(64), nullable=False),  # SHA-256 of the filter that the maker's scope had
    # The schedule that sent it, and to whom; whether an owner let it go to an address outside the organization.
    Column("schedule_id", Uuid),
    Column("recipient", String(254), nullable=False),
    Column("consented", Boolean, nullable=False),
    time_column("made_at"),
    time_column("expires_at"),
    time_column("last_used_at", nullable=True),
    time_column("ended_at", nullable=True),
    Column("ended_by", String(254), nullable=False),
    Index("ix_export_links_org_id_export_id", "org_id", "export_id"),
)
