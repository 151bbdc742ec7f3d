"""Tables of erasure."""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Integer, SmallInteger, String, Table, Text, Uuid

from tallystick.database.tables import metadata, org_column, time_column

# In `copies_until`: until somebody deletes copies in a place that is not used any more (9999-12-31).
FOR_EVER = 253_402_214_400_000_000

# `subject` and `found` hold personal data and are emptied when the erasure ends, in whatever state.
erasures = Table(
    "erasures",
    metadata,
    org_column(primary_key=True),
    Column("erasure_id", Uuid, primary_key=True),
    Column("state", String(20), nullable=False),
    Column("stage", String(20), nullable=False),  # the next stage; empty when there is nothing to do
    Column("place", String(50), nullable=False),  # the progress of the stage
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_by", String(40), nullable=False),
    Column("requested_by_name", String(254), nullable=False),
    time_column("requested_at"),
    Column("confirmed_by", String(40), nullable=False),
    Column("confirmed_by_name", String(254), nullable=False),
    time_column("confirmed_at", nullable=True),
    time_column("finished_at", nullable=True),
    time_column("copies_until", nullable=True),  # when the last copy that holds the data is deleted at the latest
    Column("end_index", BigInteger, nullable=False),  # events below it are searched
    Column("holds", Text, nullable=False),  # the holds that were active when the search began
    Column("found", Text, nullable=False),  # the preview, JSON
    Column("events", Integer, nullable=False),  # number of events that lost parts
    Column("held", Integer, nullable=False),  # number of matching events under a hold, which lose nothing
    Column("waits_for", String(300), nullable=False),  # why the last step failed; empty when it did not
)

# Sets of indexes that lose the same parts: as found by the search, and then one row for each record.
erasure_steps = Table(
    "erasure_steps",
    metadata,
    org_column(primary_key=True),
    Column("erasure_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(10), nullable=False),  # found, record
    Column("parts", SmallInteger, nullable=False),  # merkle.remains.mask_of
    Column("indexes", Text, nullable=False),  # 0-99,105
    Column("entry_id", BigInteger),  # in the outbox until the record is in the log
    ForeignKeyConstraint(["org_id", "erasure_id"], ["erasures.org_id", "erasures.erasure_id"]),
)
