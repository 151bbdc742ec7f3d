"""Tables of alert rules, their state, and alerts."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, Uuid

from tallystick.database.tables import metadata, org_column, time_column

alert_rules = Table(
    "alert_rules",
    metadata,
    org_column(primary_key=True),
    Column("rule_id", Uuid, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("shape", Text, nullable=False),  # JSON: a `definition.RuleDefinition`
    Column("severity", String(10), nullable=False),
    Column("runbook", Text, nullable=False),
    Column("detection", String(60), nullable=False),  # id of the shipped detection, or empty
    Column("destinations", Text, nullable=False),  # JSON: ids as shown
    Column("enabled", Boolean, nullable=False),
    time_column("muted_until", nullable=True),
    Column("since", BigInteger, nullable=False),  # index of the first event that it evaluates
    Column("learnt", Boolean, nullable=False),  # whether its baseline is complete
    Column("version", Integer, nullable=False),  # grows when its definition changes or it is enabled or disabled
    Column("made_by", String(254), nullable=False),
    time_column("made_at"),
    time_column("changed_at"),
)

# How far an organization's events are evaluated: all below `next_index`.
alert_positions = Table(
    "alert_positions",
    metadata,
    org_column(primary_key=True),
    Column("next_index", BigInteger, nullable=False),
    time_column("newest_at"),  # the latest time of an event among them; -1 before default rules are installed
    time_column("pruned_at"),
)

# Events that a threshold or sequence rule matched. `key` is a digest of the group's name, which is not stored.
alert_hits = Table(
    "alert_hits",
    metadata,
    org_column(primary_key=True),
    Column("rule_id", Uuid, primary_key=True),
    Column("key", LargeBinary(16), primary_key=True),
    time_column("at"),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("value", LargeBinary(16), nullable=False),
    Column("event_id", LargeBinary(16), nullable=False),
    Index("ix_alert_hits_window", "org_id", "rule_id", "key", "at"),
)

# The baseline of a group: values seen, hours of the day, time of the last event.
alert_memory = Table(
    "alert_memory",
    metadata,
    org_column(primary_key=True),
    Column("rule_id", Uuid, primary_key=True),
    Column("key", LargeBinary(16), primary_key=True),
    Column("value", LargeBinary(16), primary_key=True),
    time_column("at"),
    Column("data", Text, nullable=False),  # JSON, depending on the kind of the rule
)

alerts = Table(
    "alerts",
    metadata,
    org_column(primary_key=True),
    Column("alert_id", Uuid, primary_key=True),
    Column("rule_id", Uuid, nullable=False),
    Column("rule_name", String(100), nullable=False),
    Column("detection", String(60), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("key", LargeBinary(16), nullable=False),
    Column("group_name", String(1024), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("facts", Text, nullable=False),  # JSON: [[label, value]]
    Column("search", Text, nullable=False),  # JSON: the query parameters that find its events
    Column("number", BigInteger, nullable=False),
    Column("first_seq", BigInteger),  # null without events, as for a group that became silent
    Column("last_seq", BigInteger),
    Column("event_ids", LargeBinary, nullable=False),  # 16 bytes each, for some of `number` events
    time_column("at"),  # time of the event that completed it
    time_column("first_at"),
    time_column("last_at"),
    time_column("fired_at"),
    Column("more", BigInteger, nullable=False),  # events of the group within the cool-down
    Column("state", String(15), nullable=False),  # open, acknowledged
    Column("muted", Boolean, nullable=False),
    Column("acknowledged_by", String(254), nullable=False),
    Column("note", Text, nullable=False),
    time_column("acknowledged_at", nullable=True),
    Index("ix_alerts_org_id_fired_at", "org_id", "fired_at"),
    Index("ix_alerts_cooling", "org_id", "rule_id", "key", "at"),
)
