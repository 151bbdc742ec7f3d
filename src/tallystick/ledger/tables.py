"""Tables of the ledger.

`tiles` has one row for each tile of C2SP tlog-tiles, always the widest so far: a partial tile is a prefix of
every wider one, so older widths are cut from it. A level-0 row holds the 256 *entries* instead of their leaf
hashes, which takes 32 bytes per event instead of 64. Computing the leaf hashes of a tile takes a tenth of a
millisecond, and appending never reads it, since it continues from `logs.edge`. Expiry deletes whole level-0
rows, never the last one of a log; rows of higher levels are never deleted.
"""

from sqlalchemy import BigInteger, Column, LargeBinary, SmallInteger, String, Table, Text

from tallystick.database.tables import metadata, org_column, sealed_column, time_column

logs = Table(
    "logs",
    metadata,
    org_column(primary_key=True),
    Column("origin_id", String(32), nullable=False, unique=True),  # 128 random bits: never the organization's name
    Column("origin", String(300)),  # `<host>/log/<origin_id>`, the signed name: set with the first key
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("edge", LargeBinary, nullable=False),  # the peaks of the tree, 32 bytes each, largest first
    Column("frozen_reason", Text),
    Column("fixed_end", BigInteger, nullable=False),  # indexes below it are in a fixed shipment
    Column("stored_end", BigInteger, nullable=False),  # indexes below it are stored or set aside
    Column("pruned", BigInteger, nullable=False, server_default="0"),  # number of events that the purge deleted
    time_column("created_at"),
)

tiles = Table(
    "tiles",
    metadata,
    org_column(primary_key=True),
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),  # 1 to 256 times 32 bytes; at level 0 the entries themselves
)

# The primary key makes two roots for one size impossible.
checkpoints = Table(
    "checkpoints",
    metadata,
    org_column(primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    time_column("made_at"),
    Column("note", Text),  # the signed note; null for a size that a check marked
)

# Private keys are encrypted with the server's secret; `signs_until` is null for the current key.
signing_keys = Table(
    "signing_keys",
    metadata,
    org_column(primary_key=True),
    Column("public", LargeBinary(32), primary_key=True),
    sealed_column(b"tallystick/signing-key/v1", "org_id", "public"),
    time_column("made_at"),
    time_column("signs_until", nullable=True),
)
