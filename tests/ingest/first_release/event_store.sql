CREATE TABLE IF NOT EXISTS events (
    org_id UUID, seq UInt64 CODEC(Delta, ZSTD(1)), id UUID, occurred_at DateTime64(6,'UTC') CODEC(Delta, ZSTD(1)), received_at DateTime64(6,'UTC') CODEC(Delta, ZSTD(1)), seed FixedString(16) CODEC(NONE), what String CODEC(ZSTD(3)), target String CODEC(ZSTD(3)), who String CODEC(ZSTD(3)), details String CODEC(ZSTD(3)), action LowCardinality(String), category LowCardinality(String), status LowCardinality(String), description String CODEC(ZSTD(3)), actor_type LowCardinality(String), actor_id LowCardinality(String), actor_email LowCardinality(String), actor_name LowCardinality(String), behalf_id LowCardinality(String), behalf_email LowCardinality(String), behalf_name LowCardinality(String), resource_type LowCardinality(String), resource_id String CODEC(ZSTD(1)), resource_name String CODEC(ZSTD(1)), ip_address LowCardinality(String), ip LowCardinality(IPv6), session_id String CODEC(ZSTD(1)), request_id String CODEC(ZSTD(1)), details_paths Array(LowCardinality(String)) CODEC(ZSTD(1)), details_values Array(String) EPHEMERAL, search_text String DEFAULT replaceAll(lowerUTF8(concat(action,'\0',status,'\0',description,'\0',resource_name,'\0',resource_id,'\0',actor_email,'\0',actor_name,'\0',actor_id,'\0',behalf_email,'\0',behalf_name,'\0',behalf_id,'\0',ip_address,'\0',arrayStringConcat(details_values,'\0'))),'ς','σ') CODEC(ZSTD(3)), remains String CODEC(ZSTD(1)),
    INDEX search search_text TYPE text(tokenizer=ngrams(3), posting_list_codec='bitpacking'),
    INDEX users [replaceAll(lowerUTF8(actor_email),'ς','σ'), replaceAll(lowerUTF8(actor_id),'ς','σ'), replaceAll(lowerUTF8(actor_name),'ς','σ'), replaceAll(lowerUTF8(behalf_email),'ς','σ'), replaceAll(lowerUTF8(behalf_id),'ς','σ'), replaceAll(lowerUTF8(behalf_name),'ς','σ')] TYPE text(tokenizer='array', posting_list_codec='bitpacking'),
    INDEX resources [replaceAll(lowerUTF8(resource_name),'ς','σ'), replaceAll(lowerUTF8(resource_id),'ς','σ')] TYPE text(tokenizer='array', posting_list_codec='bitpacking'),
    INDEX sessions replaceAll(lowerUTF8(session_id),'ς','σ') TYPE bloom_filter(0.01),
    INDEX requests replaceAll(lowerUTF8(request_id),'ς','σ') TYPE bloom_filter(0.01),
    INDEX addresses ip TYPE bloom_filter(0.01),
    INDEX seq_range seq TYPE minmax GRANULARITY 1,
    INDEX received_range received_at TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYear(occurred_at)
ORDER BY (org_id, occurred_at, seq)
SETTINGS index_granularity = 256,
    fsync_after_insert = 1, fsync_part_directory = 1, old_parts_lifetime = 30,
    cleanup_delay_period = 10, max_cleanup_delay_period = 20,
    non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS store_identity (id UUID) ENGINE = MergeTree ORDER BY id;

CREATE TABLE IF NOT EXISTS store_probe (at DateTime64(6,'UTC')) ENGINE = MergeTree ORDER BY at
TTL toDateTime(at) + INTERVAL 1 DAY;

CREATE TABLE IF NOT EXISTS store_erasing (org_id UUID, seq UInt64, parts UInt8)
ENGINE = MergeTree ORDER BY (org_id, seq);

CREATE TABLE IF NOT EXISTS store_replayed (org_id UUID, through UInt64)
ENGINE = MergeTree ORDER BY org_id;
