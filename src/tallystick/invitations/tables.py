"""Tables of invitations."""

from sqlalchemy import Column, Integer, LargeBinary, String, Table, Uuid

from tallystick.database.tables import metadata, org_column, time_column

invitations = Table(
    "invitations",
    metadata,
    org_column(primary_key=True),
    Column("invitation_id", Uuid, primary_key=True),
    Column("email", String(254), nullable=False),
    Column("role", String(20), nullable=False),
    Column("token_sha256", LargeBinary(32), nullable=False, unique=True),  # of the link that was made last
    Column("invited_by", String(40), nullable=False),  # the public id of who may withdraw it by losing access
    Column("invited_by_name", String(254), nullable=False),
    time_column("made_at"),
    time_column("expires_at"),
    time_column("sent_at", nullable=True),  # the last email; none was sent where the link was handed over
    Column("sends", Integer, nullable=False),  # links made, by email or to hand over
    time_column("accepted_at", nullable=True),
    time_column("revoked_at", nullable=True),
)
