"""Telemetry: structured log lines (JSON, standard error), and the metrics of `/metrics`."""

import logging
import re
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import msgspec
import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from tallystick.display_text import escape_json

METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SECRET_NAME = re.compile(r"password|secret|token|authorization|cookie|api_?key|credential", re.IGNORECASE)
SECRET_TEXT = re.compile(r"tsk_[0-9A-Za-z]{8,}|(?<=://)([^\s/:@]*):[^\s/@]+(?=@)")

# When a counter was made tells nobody anything, and doubles the answer.
disable_created_metrics()  # type: ignore[no-untyped-call]
registry = CollectorRegistry()
ProcessCollector(registry=registry)

events_recorded_total = Counter("tallystick_events_recorded", "Events committed", registry=registry)
events_dropped_total = Counter(
    "tallystick_events_dropped", "Events that intake rules dropped before the commit", registry=registry
)
ingest_refused_total = Counter(
    "tallystick_ingest_refused", "Recording requests refused, by reason", ["reason"], registry=registry
)
journal_events = Gauge(
    "tallystick_journal_events", "Events committed that the store does not hold yet", registry=registry
)
journal_bytes = Gauge("tallystick_journal_bytes", "Bytes of the journal", registry=registry)
journal_tail_bytes = Gauge(
    "tallystick_journal_tail_bytes", "Bytes of stored events that the journal keeps for some hours", registry=registry
)
events_restored_total = Counter(
    "tallystick_events_restored", "Lost events that came back, from the journal or a copy", registry=registry
)
searchable_lag_events = Gauge(
    "tallystick_searchable_lag_events", "Events committed that no query sees yet", registry=registry
)
searchable_lag_seconds = Gauge(
    "tallystick_searchable_lag_seconds", "For how long the event store has been behind", registry=registry
)
alerts_lag_events = Gauge(
    "tallystick_alerts_lag_events", "Events committed that no alert rule has seen yet", registry=registry
)
alerts_lag_seconds = Gauge(
    "tallystick_alerts_lag_seconds", "For how long the alert rules have been behind", registry=registry
)
measured_seconds = Gauge(
    "tallystick_measured_timestamp_seconds",
    "When the control database was last measured, in seconds since 1970", registry=registry,
)  # fmt: skip
disk_free_bytes = Gauge(
    "tallystick_disk_free_bytes",
    "Free bytes on the disk of the data directory, of SQLite or of the embedded event store: the least of them",
    registry=registry,
)
disk_least_free_bytes = Gauge(
    "tallystick_disk_least_free_bytes", "Free bytes below which only recording goes on, as set", registry=registry
)
geoip_built_seconds = Gauge(
    "tallystick_geoip_built_timestamp_seconds",
    "When the oldest file of TALLYSTICK_GEOIP was built, in seconds since 1970; 0 without one", registry=registry,
)  # fmt: skip
shipments_total = Counter(
    "tallystick_shipments", "Shipments to the event store, by outcome", ["outcome"], registry=registry
)
events_pruned_total = Counter("tallystick_events_pruned", "Events deleted past their retention", registry=registry)
purge_clock_doubted = Gauge(
    "tallystick_purge_clock_doubted", "1 while the purge waits because the clock leapt ahead, else 0", registry=registry
)
last_backup_seconds = Gauge(
    "tallystick_last_backup_timestamp_seconds", "When the last backup was finished, in seconds since 1970",
    registry=registry,
)  # fmt: skip
last_copy_seconds = Gauge(
    "tallystick_last_copy_timestamp_seconds",
    "Until when every event is in the continuous copies, in seconds since 1970; 0 if no copies are made",
    registry=registry,
)
last_snapshot_seconds = Gauge(
    "tallystick_last_snapshot_timestamp_seconds",
    "Until when the rest of the control database is in the continuous copies, in seconds since 1970; 0 as above",
    registry=registry,
)
copies_other_writer = Gauge(
    "tallystick_copies_other_writer",
    "1 while this node makes no copies since another server of the same installation uses their place, else 0",
    registry=registry,
)
copied_events_total = Counter("tallystick_copied_events", "Events written to the continuous copies", registry=registry)
set_aside_total = Counter("tallystick_set_aside", "Events that the store refused, ever", registry=registry)
set_aside_events = Gauge(
    "tallystick_set_aside_events", "Events that the store refused, held in the journal", registry=registry
)
store_is_other = Gauge(
    "tallystick_store_is_other",
    "1 while the event store is not the one of the control database, so that nothing is written to it, else 0",
    registry=registry,
)
store_up = Gauge("tallystick_store_up", "1 while the event store answers within 10 seconds, else 0", registry=registry)
database_up = Gauge(
    "tallystick_database_up", "1 while the control database answers within 10 seconds, else 0", registry=registry
)
http_request_seconds = Histogram(
    "tallystick_http_request_seconds", "Time to answer, by route, method and status", ["route", "method", "status"],
    buckets=SECONDS, registry=registry,
)  # fmt: skip
unknown_keys_total = Counter(
    "tallystick_unknown_keys", "Requests with an API key that does not exist or is mistyped, by reason", ["reason"],
    registry=registry,
)  # fmt: skip
live_viewers = Gauge("tallystick_live_viewers", "Live views connected", registry=registry)
checkpoints_signed_total = Counter("tallystick_checkpoints_signed", "Checkpoints signed", registry=registry)
signing_failures_total = Counter(
    "tallystick_signing_failures", "Checkpoints that could not be signed", registry=registry
)
log_frozen = Gauge("tallystick_log_frozen", "Logs frozen because their root does not match", registry=registry)
background_failing = Gauge(
    "tallystick_background_failing", "Failed steps of background work in a row, by worker", ["worker"],
    registry=registry,
)  # fmt: skip
background_failures_total = Counter(
    "tallystick_background_failures", "Steps of background work that failed, as a whole or for one item, by worker",
    ["worker"], registry=registry,
)  # fmt: skip
background_step_seconds = Gauge(
    "tallystick_background_step_seconds", "For how long the step under way has run, 0 between steps, by worker",
    ["worker"], registry=registry,
)  # fmt: skip
node_role = Gauge(
    "tallystick_node_role", "1 on the node that does this work for all, else 0, by role", ["role"], registry=registry
)
pool_used = Gauge("tallystick_pool_used", "Connections or threads in use, by pool", ["pool"], registry=registry)
pool_size = Gauge("tallystick_pool_size", "Connections or threads at most, by pool", ["pool"], registry=registry)
destinations_by_state = Gauge(
    "tallystick_destinations", "Destinations of alerts that do not work: failing, or disabled by that, by state",
    ["state"], registry=registry,
)  # fmt: skip
deliveries_waiting = Gauge(
    "tallystick_deliveries_waiting", "Alerts, emails and scheduled exports not delivered yet, by queue", ["queue"],
    registry=registry,
)  # fmt: skip
deliveries_oldest_seconds = Gauge(
    "tallystick_deliveries_oldest_seconds", "Age of the oldest delivery that waits, by queue", ["queue"],
    registry=registry,
)  # fmt: skip
deliveries_given_up = Gauge(
    "tallystick_deliveries_given_up", "Deliveries given up within the last day, by queue", ["queue"], registry=registry
)
schedules_late_seconds = Gauge(
    "tallystick_schedules_late_seconds", "For how long the longest waiting schedule has been due", registry=registry
)

store_missing_events = Gauge(
    "tallystick_store_missing_events", "Events that were stored and that the event store lacks now", registry=registry
)
store_damaged_parts = Gauge(
    "tallystick_store_damaged_parts", "Data parts of the event store with damaged files", registry=registry
)
store_changes_failing = Gauge(
    "tallystick_store_changes_failing", "1 while the event store fails to carry out a change of its table, else 0",
    registry=registry,
)  # fmt: skip
store_rebuild_left = Gauge(
    "tallystick_store_rebuild_left", "Events that the rebuild of the event store has not copied yet, 0 without one",
    registry=registry,
)  # fmt: skip
archived_events_total = Counter("tallystick_archived_events", "Events written to the archive", registry=registry)
archive_failures_total = Counter(
    "tallystick_archive_failures", "Steps of the purge that wait since the archive could not be written",
    registry=registry,
)  # fmt: skip

integrity_differences = Gauge(
    "tallystick_integrity_differences", "Differences that the last integrity checks found, of all logs",
    registry=registry,
)  # fmt: skip
integrity_checked_total = Counter(
    "tallystick_integrity_checked", "Stored events that the integrity check looked at", registry=registry
)

exports_waiting = Gauge("tallystick_exports_waiting", "Exports asked for and not finished", registry=registry)
exported_events_total = Counter(
    "tallystick_exported_events", "Events written to exports, by format", ["format"], registry=registry
)
exports_failed_total = Counter("tallystick_exports_failed", "Exports that failed", registry=registry)
export_seconds = Histogram(
    "tallystick_export_seconds", "Time to make an export, by format", ["format"],
    buckets=(0.1, 1.0, 10.0, 60.0, 600.0, 3600.0), registry=registry,
)  # fmt: skip


def metrics_text() -> bytes:
    """All metrics in the Prometheus text format."""
    return generate_latest(registry)


class LogStream:
    """A text stream for log lines. A line that cannot be written, such as to a full disk, is lost and stops no work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write the text if that is possible."""
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        """Flush the stream if that is possible."""
        with suppress(OSError):
            self._stream.flush()


def configure_logging(level: str = "info") -> None:
    """Send the logs of structlog and of the standard library as JSON lines to standard error, from `level` up."""
    number = logging.getLevelNamesMapping()[level.upper()]
    stream = cast("TextIO", LogStream(sys.stderr))
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_json)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_json),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def mask_secrets(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask values of secret fields, API keys, and passwords in URLs, wherever they stand in a log line."""
    for name, value in line.items():
        if SECRET_NAME.search(name):
            line[name] = "[redacted]"
        elif isinstance(value, str):
            line[name] = SECRET_TEXT.sub("[redacted]", value)
    return line


def _json(line: Any, **_options: Any) -> str:
    return escape_json(msgspec.json.encode(line, enc_hook=str).decode())
