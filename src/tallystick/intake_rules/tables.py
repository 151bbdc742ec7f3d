"""Tables of intake rules."""

from sqlalchemy import BigInteger, Column, Table, Text

from tallystick.database.tables import metadata, org_column, time_column

# One row for each organization that ever had a rule; it stays, so that the sum of revisions only grows.
intake_rule_lists = Table(
    "intake_rule_lists",
    metadata,
    org_column(primary_key=True),
    Column("rules", Text, nullable=False),  # in force, as JSON
    Column("next_rules", Text, nullable=False),  # those that take their place at `next_at`; empty: none
    time_column("next_at", nullable=True),
    Column("revision", BigInteger, nullable=False),  # grows with each change
)
