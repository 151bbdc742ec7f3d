"""Tables of descriptions of actions."""

from sqlalchemy import BigInteger, Column, String, Table, Text

from tallystick.database.tables import metadata, org_column, time_column

action_descriptions = Table(
    "action_descriptions",
    metadata,
    org_column(primary_key=True),
    Column("action", String(100), primary_key=True),
    Column("category", String(20), nullable=False),
    Column("status", String(10), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("sentence", String(200), nullable=False),
    Column("description", String(500), nullable=False),
    Column("schema", Text, nullable=False),  # JSON; "" for none
    Column("mode", String(10), nullable=False),  # warn, refuse
    time_column("changed_at"),
)

# One more with every change of an organization's descriptions: caches of every process hang on it.
action_revisions = Table(
    "action_revisions",
    metadata,
    org_column(primary_key=True),
    Column("revision", BigInteger, nullable=False),
)
