"""Tables of reviews."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, Uuid

from tallystick.database.tables import metadata, org_column, time_column

reviews = Table(
    "reviews",
    metadata,
    org_column(primary_key=True),
    Column("review_id", Uuid, primary_key=True),
    Column("state", String(10), nullable=False),  # open, signed, withdrawn
    Column("about", String(100), nullable=False),  # the control, such as `soc2 CC6.3`, or empty
    Column("corrects", Uuid),  # the earlier review that this one corrects
    time_column("start"),
    time_column("end"),
    Column("zone", String(64), nullable=False),
    Column("filter", Text, nullable=False),  # JSON: query parameters without the period
    Column("conclusion", Text, nullable=False),
    Column("opened_by", String(100), nullable=False),
    Column("opened_by_name", String(254), nullable=False),
    time_column("opened_at"),
    # Set by signing: who signed, the log's position, the number of events, and the SHA-256 of the signed content.
    Column("signed_by_kind", String(20), nullable=False),
    Column("signed_by", String(100), nullable=False),
    Column("signed_by_name", String(254), nullable=False),
    time_column("signed_at", nullable=True),
    Column("position", BigInteger),
    Column("events", BigInteger),
    Column("sha256", String(64), nullable=False),
    Index("ix_reviews_org_id_state", "org_id", "state"),
)

# The findings of reviews: notes on events.
review_findings = Table(
    "review_findings",
    metadata,
    org_column(primary_key=True),
    Column("review_id", Uuid, primary_key=True),
    Column("event_id", LargeBinary(16), primary_key=True),
    Column("log_index", BigInteger, nullable=False),
    time_column("occurred_at"),
    Column("severity", String(10), nullable=False),
    Column("note", Text, nullable=False),
    Column("marked_by", String(254), nullable=False),
    time_column("marked_at"),
)

# The weekly reminder of an organization: when it is sent, and to whom.
review_reminders = Table(
    "review_reminders",
    metadata,
    org_column(primary_key=True),
    Column("weekday", Integer, nullable=False),  # 0 is Monday
    Column("at", String(5), nullable=False),  # 09:00
    Column("zone", String(64), nullable=False),
    Column("recipients", Text, nullable=False),  # JSON: ids of people
    time_column("next_at"),
    time_column("told_at", nullable=True),
    Index("ix_review_reminders_next_at", "next_at"),
)
