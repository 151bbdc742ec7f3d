"""Tables of cases."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, Integer, LargeBinary, String, Table, Text, Uuid

from tallystick.database.tables import metadata, org_column, time_column

cases = Table(
    "cases",
    metadata,
    org_column(primary_key=True),
    Column("case_id", Uuid, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("issue", Text, nullable=False),
    Column("detected", Text, nullable=False),
    Column("impact", Text, nullable=False),
    Column("root_cause", Text, nullable=False),
    Column("resolution", Text, nullable=False),
    Column("time_to_fix", Text, nullable=False),
    Column("version", Integer, nullable=False),  # grows with each change of the words above
    Column("made_by", String(40), nullable=False),  # `usr_…`
    Column("made_by_name", String(254), nullable=False),
    time_column("created_at"),
    time_column("changed_at"),
    time_column("closed_at", nullable=True),
    Index("ix_cases_org_id_changed_at", "org_id", "changed_at"),
)

# Which events belong to a case; what they say stays in the trail, and goes with it.
case_events = Table(
    "case_events",
    metadata,
    org_column(primary_key=True),
    Column("case_id", Uuid, primary_key=True),
    Column("event_id", LargeBinary(16), primary_key=True),
    time_column("occurred_at"),
    Column("note", Text, nullable=False),
    Column("added_by", String(254), nullable=False),
    time_column("added_at"),
    ForeignKeyConstraint(["org_id", "case_id"], ["cases.org_id", "cases.case_id"]),
)
