"""Errors of the event store."""

import re
from collections.abc import Sequence

from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError
from urllib3.exceptions import HTTPError

from tallystick.errors import Outage

# ClickHouse error codes (src/Common/ErrorCodes.cpp) that speak of the rows sent, not of the state of the store.
REFUSALS = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        131,  # TOO_LARGE_STRING_SIZE
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        376,  # CANNOT_PARSE_UUID
        395,  # FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
        407,  # DECIMAL_OVERFLOW
        469,  # VIOLATED_CONSTRAINT
    }
)
# Codes that speak of files on the disk, where the message names a data part: `<partition>_<first>_<last>_<level>`.
DAMAGES = frozenset(
    {
        32,  # ATTEMPT_TO_READ_AFTER_EOF
        33,  # CANNOT_READ_ALL_DATA
        40,  # CHECKSUM_DOESNT_MATCH
        107,  # FILE_DOESNT_EXIST
        226,  # NO_FILE_IN_DATA_PART
        228,  # BAD_SIZE_OF_FILE_IN_DATA_PART
        246,  # CORRUPTED_DATA
        271,  # CANNOT_DECOMPRESS
        432,  # UNKNOWN_CODEC
    }
)
_REFUSAL = "TOO_MANY_UNEXPECTED_DATA_PARTS"  # in the message, where the code is that of the work that loads tables
_PART = re.compile(r"/(\d+_\d+_\d+_\d+(?:_\d+)?)/")  # in the path of a part or of one of its files
UNNAMED_PART = "(unnamed)"
SET_ASIDE_ADVICE = "Stop the server, and take them out: tallystick store check --set-aside"
TIMEOUTS = frozenset({159, 160, 209, 394})


class StoreError(Outage):
    """The store failed and may succeed later: it is down, busy, full or unreachable."""


class StoreTimeout(StoreError):
    """The query exceeded its time limit."""


class StoreRefusal(StoreError):
    """The store will never accept these rows as they are."""


class StoreDamaged(StoreError):
    """A data part of the store has damaged files: what reads from it fails until the part is replaced."""

    def __init__(self, message: str, part: str) -> None:
        super().__init__(message)
        self.part = part


class TableRefused(StoreDamaged):
    """The engine does not load the table of events, because data parts lack files or have unreadable ones.

    `parts`: their names; a ClickHouse server does not say them.
    """

    def __init__(self, parts: Sequence[str] = ()) -> None:
        self.parts = tuple(parts) or (UNNAMED_PART,)
        named = (
            f"these data parts lack files or have damaged ones: {', '.join(parts)}"
            if parts
            else "data parts are broken"
        )
        super().__init__(f"the engine refuses the table of events, since {named}. {SET_ASIDE_ADVICE}", self.parts[0])


class StoreUpgrading(StoreError):
    """The table is of an earlier version that this program cannot search or change: it is being rebuilt."""

    def __init__(self) -> None:
        super().__init__("the event store is of an earlier version, and is being rebuilt")


def has_timed_out(error: BaseException) -> bool:
    """Whether the driver gave up waiting for the server to take a connection or to answer."""
    causes: list[object] = [error]
    while causes:
        cause = causes.pop()
        if isinstance(cause, TimeoutError):
            return True
        if isinstance(cause, BaseException):
            causes += [cause.__cause__, getattr(cause, "reason", None)]
    return False


def is_refusal(error: BaseException) -> bool:
    """Whether the engine refuses a table, because it has more broken parts than `max_suspicious_broken_parts`."""
    return _REFUSAL in str(error)


def is_damage(error: StoreError) -> bool:
    """Whether the engine met damaged or missing files."""
    return getattr(error.__cause__, "code", None) in DAMAGES


def translate(error: ClickHouseError | HTTPError) -> StoreError:
    """The driver's error, or that of its connection, as one of this module."""
    code = getattr(error, "code", None)
    if code in TIMEOUTS:
        return StoreTimeout(str(error))
    if is_refusal(error):
        return TableRefused()
    if code in DAMAGES and (found := _PART.search(str(error))):
        return StoreDamaged(str(error), found.group(1))
    if isinstance(error, DatabaseError) and code in REFUSALS:
        return StoreRefusal(str(error))
    return StoreError(str(error))
