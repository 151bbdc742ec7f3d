"""Tables of emails, of destinations, and of the deliveries to them."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint, Uuid

from tallystick.database.tables import metadata, org_column, sealed_column, time_column

# Recipient, subject and body are emptied once the email is sent or given up.
mails = Table(
    "mails",
    metadata,
    org_column(primary_key=True),
    Column("mail_id", Uuid, primary_key=True),
    Column("state", String(10), nullable=False),  # waiting, sent, given_up
    Column("recipient", String(254), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("problem", String(200), nullable=False),  # the last one, without a secret
    time_column("made_at"),
    time_column("next_at"),
    time_column("claimed_until", nullable=True),
    time_column("finished_at", nullable=True),
    Index("ix_mails_state_next_at", "state", "next_at"),
)

# `settings` are those that may be shown; `sealed` holds the others: secret URLs, headers, signing secrets.
destinations = Table(
    "destinations",
    metadata,
    org_column(primary_key=True),
    Column("destination_id", Uuid, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("name", String(100), nullable=False),
    Column("settings", Text, nullable=False),  # JSON
    sealed_column(b"tallystick/destination/v1", "org_id", "destination_id"),
    Column("enabled", Boolean, nullable=False),
    Column("state", String(10), nullable=False),  # ok, failing, disabled
    Column("failures", Integer, nullable=False),  # attempts in a row
    Column("last_error", String(300), nullable=False),
    time_column("last_success_at", nullable=True),
    time_column("last_failure_at", nullable=True),
    Column("made_by", String(254), nullable=False),
    time_column("made_at"),
    # Whether an owner let messages leave the organization: waiting, approved; empty where they do not leave it.
    Column("approval", String(10), nullable=False),
    Column("approved_by", String(254), nullable=False),
    time_column("approved_at", nullable=True),
)

# The message is emptied once it is sent; a delivery that was given up keeps it, so that it can be sent again.
deliveries = Table(
    "deliveries",
    metadata,
    org_column(primary_key=True),
    Column("delivery_id", Uuid, primary_key=True),
    Column("destination_id", Uuid, nullable=False),
    Column("message_id", String(100), nullable=False),
    Column("message", Text, nullable=False),  # JSON
    Column("left", Text, nullable=False),  # JSON: the addresses that an email has not reached yet; or empty
    Column("state", String(10), nullable=False),  # waiting, sent, given_up
    Column("attempts", Integer, nullable=False),
    Column("problem", String(300), nullable=False),
    time_column("made_at"),
    time_column("next_at"),
    time_column("claimed_until", nullable=True),
    time_column("finished_at", nullable=True),
    Column("source", String(40), nullable=False, server_default=""),  # id of the rule that sends it, or empty
    UniqueConstraint("org_id", "destination_id", "message_id"),
    Index("ix_deliveries_state_next_at", "state", "next_at"),
    Index("ix_deliveries_waiting", "org_id", "destination_id", "state", "source"),
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    org_column(primary_key=True),
    Column("delivery_id", Uuid, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    time_column("at"),
    Column("outcome", String(10), nullable=False),  # sent, failed
    Column("status", Integer),  # of HTTP
    Column("milliseconds", Integer, nullable=False),
    Column("problem", String(300), nullable=False),
)
