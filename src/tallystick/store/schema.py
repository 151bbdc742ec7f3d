"""The table of events. Columns from `action` on are copies of what the four parts say.

A bare word is looked for in `search_text`: everything it may stand in, folded, once, in one column,
so that the exact test beside the text index reads that column alone.
"""

from tallystick.query.conditions import MULTIPLE, STANDS_IN, Field

# Everything a bare word is looked for in; NUL separates, and can be in no value. Between SEARCHED and SEARCHED_AFTER
# stand the values in the details, and after both the names and ids of further resources. What is the same in very many
# events has a column of its own, CLIENT, whose index has each value once: its trigrams would take 45 bytes an event.
SEARCHED = (
    "action", "status", "description", "resource_name", "resource_id", "actor_email", "actor_name", "actor_id",
    "behalf_email", "behalf_name", "behalf_id", "ip_address",
)  # fmt: skip

SEARCHED_AFTER = ("status_reason", "original_action")
CLIENT = ("user_agent", "source")
SEARCHED_LISTS = ("other_resource_names", "other_resource_ids")


def folded(expression: str) -> str:
    """SQL that folds case as `query.case_folding` does."""
    return f"replaceAll(lowerUTF8({expression}),'ς','σ')"


def names(field: Field) -> str:
    """SQL for all that stands in a field, folded: an array."""
    single = ", ".join(folded(column) for column in STANDS_IN[field] if column not in MULTIPLE)
    lists = [f"arrayMap(one -> {folded('one')}, {column})" for column in STANDS_IN[field] if column in MULTIPLE]
    return f"arrayConcat([{single}], {', '.join(lists)})" if lists else f"[{single}]"


_NUL = ",'\\0',"
SEARCH_TEXT = folded(
    f"concat({_NUL.join(SEARCHED)}{_NUL}arrayStringConcat(details_values,'\\0'){_NUL}{_NUL.join(SEARCHED_AFTER)}"
    f"{_NUL}arrayStringConcat(arrayConcat({', '.join(SEARCHED_LISTS)}),'\\0'))"
)
CLIENT_TEXT = folded(f"concat({_NUL.join(CLIENT)})")
# The values in the details, folded, beside `details_paths`.
FOLDED_VALUES = f"arraySlice(splitByChar('\\0', search_text), {len(SEARCHED) + 1}, length(details_paths))"

COLUMNS = (
    ("org_id", "UUID"),
    ("seq", "UInt64 CODEC(Delta, ZSTD(1))"),
    ("id", "UUID"),
    ("occurred_at", "DateTime64(6,'UTC') CODEC(Delta, ZSTD(1))"),
    ("received_at", "DateTime64(6,'UTC') CODEC(Delta, ZSTD(1))"),
    ("seed", "FixedString(16) CODEC(NONE)"),
    ("what", "String CODEC(ZSTD(3))"),
    ("target", "String CODEC(ZSTD(3))"),
    ("who", "String CODEC(ZSTD(3))"),
    ("details", "String CODEC(ZSTD(3))"),
    ("action", "LowCardinality(String)"),
    ("category", "LowCardinality(String)"),
    ("status", "LowCardinality(String)"),
    ("description", "String CODEC(ZSTD(3))"),
    ("actor_type", "LowCardinality(String)"),
    ("actor_id", "LowCardinality(String)"),
    ("actor_email", "LowCardinality(String)"),
    ("actor_name", "LowCardinality(String)"),
    ("behalf_id", "LowCardinality(String)"),
    ("behalf_email", "LowCardinality(String)"),
    ("behalf_name", "LowCardinality(String)"),
    ("resource_type", "LowCardinality(String)"),
    ("resource_id", "String CODEC(ZSTD(1))"),
    ("resource_name", "String CODEC(ZSTD(1))"),
    ("ip_address", "LowCardinality(String)"),
    ("ip", "LowCardinality(IPv6)"),  # twice as fast to count by as IPv6 alone
    ("session_id", "String CODEC(ZSTD(1))"),
    ("request_id", "String CODEC(ZSTD(1))"),
    ("details_paths", "Array(LowCardinality(String)) CODEC(ZSTD(1))"),
    ("details_values", "Array(String) EPHEMERAL"),
    ("search_text", f"String DEFAULT {SEARCH_TEXT} CODEC(ZSTD(3))"),
    ("remains", "String CODEC(ZSTD(1))"),  # of an event that lost parts: merkle.remains
    ("severity", "LowCardinality(String)"),
    ("external_id", "String CODEC(ZSTD(1))"),
    ("recorder_id", "LowCardinality(String)"),
    ("recorder_email", "LowCardinality(String)"),
    ("recorder_name", "LowCardinality(String)"),
    ("status_reason", "String CODEC(ZSTD(3))"),
    ("original_action", "LowCardinality(String)"),
    ("other_resource_types", "Array(LowCardinality(String)) CODEC(ZSTD(1))"),
    ("other_resource_ids", "Array(String) CODEC(ZSTD(1))"),
    ("other_resource_names", "Array(String) CODEC(ZSTD(1))"),
    ("user_agent", "LowCardinality(String)"),
    ("trace_id", "String CODEC(ZSTD(1))"),
    ("source", "LowCardinality(String)"),
    ("client_text", f"LowCardinality(String) DEFAULT {CLIENT_TEXT}"),
    ("channel", "LowCardinality(String)"),
    ("account", "LowCardinality(String)"),
    ("region", "LowCardinality(String)"),
    ("country", "LowCardinality(String)"),
    ("network", "LowCardinality(String)"),
    ("auth_method", "LowCardinality(String)"),
    ("credential_id", "LowCardinality(String)"),
    ("agent_session_id", "String CODEC(ZSTD(1))"),
    ("tool", "LowCardinality(String)"),
    ("model", "LowCardinality(String)"),
    ("mode", "LowCardinality(String)"),
)
# The version of the table: one more with every change of this module, or of what the other columns are computed from.
STORE_VERSION = 3
# What every version has, and what all other columns are computed from. `remains` is added where it is not there yet.
KEYS = ("org_id", "seq", "id", "occurred_at", "received_at")
STORED_PARTS = ("seed", "what", "target", "who", "details", "remains")

# Years as partitions: a quarter of a year in one part is found in faster than in four, and deletion goes by
# row. 256 rows to a granule: the exact test of a word reads whole granules.
# What an insert, a merge or a mutation writes is synchronized to the disk before it replaces anything, so that the
# parts that it came from need not stay for many minutes, but only until the merge is checked (store/merged_parts.py).
# Merges take a fifth longer by that (benchmarks/fsync.py).
TABLE_SETTINGS = {
    "fsync_after_insert": 1, "fsync_part_directory": 1,
    "min_rows_to_fsync_after_merge": 1, "min_compressed_bytes_to_fsync_after_merge": 1,
    "old_parts_lifetime": 30, "cleanup_delay_period": 10, "max_cleanup_delay_period": 20,
    "non_replicated_deduplication_window": 10_000,
}  # fmt: skip
# A table that lacks events is not loaded as if it were whole: the engine refuses one with a broken part, until the part
# is set aside (store/embedded_engine.py). This holds for the table in use: a part of a copy or an old one is no loss.
REFUSE_BROKEN_PARTS = "ALTER TABLE events MODIFY SETTING max_suspicious_broken_parts = 0"
TABLE_SETTINGS_SQL = ", ".join(f"{name} = {value}" for name, value in TABLE_SETTINGS.items())
ANY_SIZE = {"max_table_size_to_drop": 0}  # a server refuses to drop more than 50 GB otherwise
CREATE_SETTINGS = {"allow_suspicious_low_cardinality_types": 1}


def create_table(table: str, copy: int) -> str:
    """SQL that makes the table of events under this name; `copy`: how many rebuilds came before."""
    return f"""
CREATE TABLE IF NOT EXISTS {table} (
    {", ".join(f"{name} {kind}" for name, kind in COLUMNS)},
    INDEX search search_text TYPE text(tokenizer=ngrams(3), posting_list_codec='bitpacking'),
    INDEX clients client_text TYPE text(tokenizer='array', posting_list_codec='bitpacking'),
    INDEX users {names("user")} TYPE text(tokenizer='array', posting_list_codec='bitpacking'),
    INDEX resources {names("resource")} TYPE text(tokenizer='array', posting_list_codec='bitpacking'),
    INDEX sessions {names("session")} TYPE bloom_filter(0.01),
    INDEX requests {folded("request_id")} TYPE bloom_filter(0.01),
    INDEX traces {folded("trace_id")} TYPE bloom_filter(0.01),
    INDEX external_ids {folded("external_id")} TYPE bloom_filter(0.01),
    INDEX addresses ip TYPE bloom_filter(0.01),
    INDEX seq_range seq TYPE minmax GRANULARITY 1,
    INDEX received_range received_at TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYear(occurred_at)
ORDER BY (org_id, occurred_at, seq)
SETTINGS index_granularity = 256, {TABLE_SETTINGS_SQL}
COMMENT 'tallystick store version {STORE_VERSION}, copy {copy}'
"""


REBUILD = "events_rebuild"  # the table that a rebuild makes
CREATE_EVENTS = create_table("events", 0)
CREATE_IDENTITY = "CREATE TABLE IF NOT EXISTS store_identity (id UUID) ENGINE = MergeTree ORDER BY id"
# A power cut must not take the store's id: without it the store is taken for another one.
SYNCED_INSERTS = "fsync_after_insert = 1, fsync_part_directory = 1"
CREATE_PROBE = """CREATE TABLE IF NOT EXISTS store_probe (at DateTime64(6,'UTC')) ENGINE = MergeTree ORDER BY at
TTL toDateTime(at) + INTERVAL 1 DAY"""
# Which parts of which events an erasure under way takes: one statement then changes them all.
CREATE_ERASING = """CREATE TABLE IF NOT EXISTS store_erasing (org_id UUID, seq UInt64, parts UInt8)
ENGINE = MergeTree ORDER BY (org_id, seq)"""
# Up to which index of each log the records of erasures are known to be carried out in this store.
CREATE_REPLAYED = """CREATE TABLE IF NOT EXISTS store_replayed (org_id UUID, through UInt64)
ENGINE = MergeTree ORDER BY org_id"""
CREATED = {
    "events": CREATE_EVENTS, "store_identity": CREATE_IDENTITY, "store_probe": CREATE_PROBE,
    "store_erasing": CREATE_ERASING, "store_replayed": CREATE_REPLAYED,
}  # fmt: skip
SETTINGS_WANTED = (
    ("events", f"ALTER TABLE events MODIFY SETTING {TABLE_SETTINGS_SQL}"),
    ("events", REFUSE_BROKEN_PARTS),
    ("store_identity", f"ALTER TABLE store_identity MODIFY SETTING {SYNCED_INSERTS}"),
)
