"""The background worker that records once an hour what intake rules dropped."""

from collections.abc import Callable

from tallystick import clock
from tallystick.database.engine import Database
from tallystick.ingest.dropped_events import has_ended_hours, record_ended_hours
from tallystick.work.background import Background

IDLE_SECONDS = 30.0


class DropReporter(Background):
    """Writes the drops of each hour that is over to the outbox. In every process: each count is taken once."""

    def __init__(self, database: Database, outbox_written: Callable[[], None]) -> None:
        super().__init__("drop_report", idle_seconds=IDLE_SECONDS)
        self._database = database
        self._outbox_written = outbox_written

    def step(self, now: int | None = None) -> bool:
        """Record the hours that are over at `now` (microseconds); False when there is none."""
        now = clock.now_us() if now is None else now
        with self._database.read() as connection:
            if not has_ended_hours(connection, now):
                return False
        with self._database.write() as connection:
            recorded = record_ended_hours(connection, now)
        if recorded:
            self._outbox_written()
        return recorded > 0
