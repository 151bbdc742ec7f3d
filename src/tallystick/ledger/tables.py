"""The tables of the ledger.

`tiles` has one row for each tile of C2SP tlog-tiles, always the widest so far, since a partial tile is
a prefix of every wider one: older widths are cut from it. The level-0 row holds the 256 *entries*
rather than their leaf hashes: one fact, stored once, 32 bytes per event instead of 64. The leaf hashes
are a tenth of a millisecond away for whoever reads that tile, and appending never reads it: it continues
from `logs.edge`. Expiry takes a full level-0 row as a whole, never the last one of a log; the rows above
it stay for ever.
"""

from sqlalchemy import BigInteger, Column, LargeBinary, SmallInteger, String, Table, Text

from tallystick.database.tables import metadata, org_column, time_column

logs = Table(
    "logs",
    metadata,
    org_column(primary_key=True),
    Column("origin_id", String(32), nullable=False, unique=True),  # 128 random bits: never the organization's name
    Column("origin", String(300)),  # `<host>/log/<origin_id>`, the name that is signed: fixed with the first signature
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("edge", LargeBinary, nullable=False),  # the peaks of the tree, 32 bytes each, largest first
    Column("frozen_reason", Text),
    Column("fixed_end", BigInteger, nullable=False),  # indexes below it are in a fixed shipment
    Column("stored_end", BigInteger, nullable=False),  # indexes below it are stored or set aside
    Column("pruned", BigInteger, nullable=False, server_default="0"),  # how many events went with their retention
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

# A size has one root: the key makes two impossible.
checkpoints = Table(
    "checkpoints",
    metadata,
    org_column(primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    time_column("made_at"),
    Column("note", Text),  # the signed note; absent for a size that was only seen to be right
)

# Private keys are sealed with the server's secret; `signs_until` is empty for the current key.
signing_keys = Table(
    "signing_keys",
    metadata,
    org_column(primary_key=True),
    Column("public", LargeBinary(32), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    time_column("made_at"),
    time_column("signs_until", nullable=True),
)
