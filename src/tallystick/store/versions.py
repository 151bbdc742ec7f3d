"""The version of the event store: of the columns, indexes, settings and folding of its table.

It stands in the comment of the table, which changes together with the table when a rebuilt one takes its place.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from tallystick.errors import SettingsError
from tallystick.store.errors import StoreError
from tallystick.store.schema import KEYS, STORE_VERSION, STORED_PARTS

# The first release wrote no version: a table without one that has its columns is of version 1, also with later ones.
FIRST_COLUMNS = frozenset({
    *KEYS, *STORED_PARTS, "action", "category", "status", "description", "actor_type", "actor_id", "actor_email",
    "actor_name", "behalf_id", "behalf_email", "behalf_name", "resource_type", "resource_id", "resource_name",
    "ip_address", "ip", "session_id", "request_id", "details_paths", "details_values", "search_text",
})  # fmt: skip
DEVELOPMENT = 0  # the version of a table with other columns: of a version before the first release
# Versions with which all reading and writing statements of this program work, after `earlier_tables.add_columns`.
USABLE = frozenset({1, 2, STORE_VERSION})
LEAST_VERSION = (26, 9)  # of a ClickHouse server: that of the embedded engine, which all tests run with
_IS_EVENTS_TABLE = "database = currentDatabase() AND {} = 'events'"
_COMMENT = re.compile(r"tallystick store version (\d+), copy (\d+)")
_REQUIRED = frozenset({*KEYS, *STORED_PARTS}) - {"remains"}


class TableVersion(NamedTuple):
    """The version of a table of events, and how many rebuilds came before it."""

    version: int
    copy: int

    @property
    def is_usable(self) -> bool:
        """Whether the table can be searched and written to before it is rebuilt."""
        return self.version in USABLE


def comment_of(made: TableVersion) -> str:
    """The comment of a table of this version."""
    return f"tallystick store version {made.version}, copy {made.copy}"


def version_of(comment: str, columns: Collection[str]) -> TableVersion:
    """The version of a table with this comment and these columns. SettingsError if it cannot be brought to ours."""
    if missing := sorted(_REQUIRED - set(columns)):
        raise SettingsError(
            f"The table events was not made by Tallystick: it has no column {missing[0]}. Point TALLYSTICK_EVENTS_URL "
            "(or TALLYSTICK_DATA_DIR) to a place of its own, or restore a backup: tallystick backup restore DIR"
        )
    made = noted_version(comment)
    if made is None:
        return TableVersion(1 if set(columns) >= FIRST_COLUMNS else DEVELOPMENT, 0)
    if made.version > STORE_VERSION:
        raise SettingsError(
            f"The event store has version {made.version}, and this program knows versions up to {STORE_VERSION}: start "
            "the newer version of Tallystick that made it, or restore a backup from before the upgrade."
        )
    return made


def noted_version(comment: str) -> TableVersion | None:
    """The version that a table's comment names; None if it names none."""
    found = _COMMENT.fullmatch(comment)
    return None if found is None else TableVersion(int(found[1]), int(found[2]))


def check_server_version(version: str) -> None:
    """SettingsError if a ClickHouse server is too old: it knows neither the text indexes nor their settings."""
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < LEAST_VERSION:
        least = ".".join(map(str, LEAST_VERSION))
        raise SettingsError(
            f"The event store is ClickHouse {version}; Tallystick needs one server of version {least} or newer. "
            "Upgrade it, or point TALLYSTICK_EVENTS_URL to another one."
        )


def read_version(client: Client) -> TableVersion:
    """The version of the table of events. Raises StoreError if there is none."""
    comment = read_comment(client)
    if comment is None:
        raise StoreError("there is no table of events")
    return version_of(comment, read_column_names(client))


def read_comment(client: Client) -> str | None:
    """The comment of the table of events; None without a table."""
    rows = client.query(f"SELECT comment FROM system.tables WHERE {_IS_EVENTS_TABLE.format('name')}").result_rows
    return rows[0][0] if rows else None


def read_column_names(client: Client) -> set[str]:
    """The columns of the table of events."""
    rows = client.query(f"SELECT name FROM system.columns WHERE {_IS_EVENTS_TABLE.format('table')}").result_rows
    return {row[0] for row in rows}
