"""Tables of scheduled exports."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, Uuid

from tallystick.database.tables import metadata, org_column, time_column

export_schedules = Table(
    "export_schedules",
    metadata,
    org_column(primary_key=True),
    Column("schedule_id", Uuid, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("frequency", String(10), nullable=False),
    Column("at", String(5), nullable=False),  # 07:30
    Column("weekday", Integer, nullable=False),  # 0 is Monday
    Column("day", Integer, nullable=False),  # of the month; the last one where the month is shorter
    Column("zone", String(64), nullable=False),
    Column("format", String(20), nullable=False),
    Column("columns", String(20), nullable=False, server_default="default"),  # of a CSV file
    Column("dialect", String(20), nullable=False, server_default="standard"),
    Column("filter", Text, nullable=False),  # JSON: the names and values of finding events, without the period
    Column("mode", String(10), nullable=False),  # new, period
    Column("enabled", Boolean, nullable=False),
    Column("stopped", Text, nullable=False),  # why it ended by itself
    # Who scheduled it, as what.
    Column("by_kind", String(20), nullable=False),
    Column("by_id", String(100), nullable=False),
    Column("by_name", String(254), nullable=False),
    Column("by_email", String(254), nullable=False),
    Column("by_role", String(20), nullable=False),
    time_column("made_at"),
    time_column("next_at", nullable=True),
    Index("ix_export_schedules_next_at", "next_at"),
)

schedule_recipients = Table(
    "schedule_recipients",
    metadata,
    org_column(primary_key=True),
    Column("schedule_id", Uuid, primary_key=True),
    Column("address", String(254), primary_key=True),  # an e-mail address, or the operator's directory
    Column("state", String(15), nullable=False),  # active, waiting, unsubscribed
    Column("consent_by", String(254), nullable=False),
    time_column("consent_at", nullable=True),
    # Served up to here: an index of the log in mode new, the end of a period in mode period.
    Column("until", BigInteger, nullable=False),
    time_column("added_at"),
)

# One file, for the recipients that have received everything up to the same point.
schedule_runs = Table(
    "schedule_runs",
    metadata,
    org_column(primary_key=True),
    Column("run_id", Uuid, primary_key=True),
    Column("schedule_id", Uuid, nullable=False),
    Column("state", String(10), nullable=False),  # making, sending, delivered, partly, failed
    Column("asked", Boolean, nullable=False),  # by a person, not by the calendar
    Column("export_id", Uuid),
    Column("first", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("period", String(30), nullable=False),  # its first and last day, in mode period
    Column("left_out", Boolean, nullable=False),  # periods before it were too many to be sent
    Column("rows", BigInteger),
    Column("error", Text, nullable=False),
    time_column("made_at"),
    time_column("finished_at", nullable=True),
    Index("ix_schedule_runs_state", "state"),
    Index("ix_schedule_runs_org_id_schedule_id", "org_id", "schedule_id"),
)

schedule_deliveries = Table(
    "schedule_deliveries",
    metadata,
    org_column(primary_key=True),
    Column("run_id", Uuid, primary_key=True),
    Column("address", String(254), primary_key=True),
    Column("state", String(10), nullable=False),  # waiting, sent, failed
    Column("way", String(10), nullable=False),  # attached, link, stored; sending during an attempt
    Column("attempts", Integer, nullable=False),
    Column("problem", String(300), nullable=False),
    time_column("next_at"),
    time_column("finished_at", nullable=True),
    Index("ix_schedule_deliveries_state_next_at", "state", "next_at"),
)
