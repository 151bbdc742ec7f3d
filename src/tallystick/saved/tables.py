"""The table of saved views."""

from sqlalchemy import Boolean, Column, String, Table, Text, UniqueConstraint, Uuid

from tallystick.database.tables import metadata, org_column, time_column

saved_views = Table(
    "saved_views",
    metadata,
    org_column(primary_key=True),
    Column("view_id", Uuid, primary_key=True),
    Column("owner_id", String(40), nullable=False),  # `usr_…`
    Column("owner_name", String(254), nullable=False),
    Column("name", String(100), nullable=False),
    Column("query", Text, nullable=False),  # as in the page's URL
    Column("is_shared", Boolean, nullable=False),
    time_column("changed_at"),
    UniqueConstraint("org_id", "owner_id", "name"),
)
