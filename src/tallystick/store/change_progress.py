"""Waits until a ClickHouse server has carried out the changes of a table."""

import time

from clickhouse_connect.driver.client import Client

from tallystick.store.errors import StoreError

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 1.0  # between two questions whether a change is done
_UNFINISHED = "SELECT latest_fail_reason FROM system.mutations WHERE database = currentDatabase() AND NOT is_done"


def wait_for_changes(client: Client) -> None:
    """Return when the server has no unfinished change of a table; StoreError if one fails."""
    pause = FIRST_PAUSE
    while rows := client.query(_UNFINISHED).result_rows:
        if failures := [row[0] for row in rows if row[0]]:
            raise StoreError(f"the event store cannot change its rows: {failures[0]}")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
