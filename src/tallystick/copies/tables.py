"""Tables of continuous copies; neither is copied itself, so that restored databases begin a generation of their own."""

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text

from tallystick.database.tables import metadata, org_column, time_column

# One row while copies are made.
copies = Table(
    "copies",
    metadata,
    Column("copies_id", Integer, primary_key=True, autoincrement=False),
    Column("place", Text, nullable=False),  # the directory or bucket, without secrets
    Column("generation", String(40), nullable=False),  # empty until the first full copy is complete
    Column("revision", String(40), nullable=False),  # of the control database in the full copy
    time_column("full_at", nullable=True),  # the moment of the full copy, by the clock
    time_column("copied_at"),  # every event committed by then is copied; before the first one: when copies began
    time_column("snapshot_at", nullable=True),  # the moment of the last snapshot
    Column("problem", String(300), nullable=False),  # why the last round failed; empty if it did not
    Column("number", BigInteger, nullable=False, server_default="0"),  # of the last file: the next has the next one
    Column("writer", String(8), nullable=False, server_default=""),  # in the names of its generations
    # What the place has been given as a sign of this control database, and what it may still have after a crash.
    Column("token", String(32), nullable=False, server_default=""),
    Column("token_before", String(32), nullable=False, server_default=""),
    time_column("oldest_at", nullable=True),  # the moment of the oldest generation in the place
)

# How far each log is copied in the present generation.
copied_logs = Table(
    "copied_logs",
    metadata,
    org_column(primary_key=True),
    Column("copied_end", BigInteger, nullable=False),
)

# Places in which copies were made until they were turned off or moved; nobody deletes any of them there.
copies_left = Table(
    "copies_left",
    metadata,
    Column("place", Text, primary_key=True),
    time_column("left_at"),
)
