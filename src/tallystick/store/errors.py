"""Errors of the event store."""

from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

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
TIMEOUTS = frozenset({159, 160, 209, 394})


class StoreError(Outage):
    """The store failed and may succeed later: it is down, busy, full or unreachable."""


class StoreTimeout(StoreError):
    """The query exceeded its time limit."""


class StoreRefusal(StoreError):
    """The store will never accept these rows as they are."""


def translate(error: ClickHouseError) -> StoreError:
    """The driver's error as one of this module."""
    code = getattr(error, "code", None)
    if code in TIMEOUTS:
        return StoreTimeout(str(error))
    if isinstance(error, DatabaseError) and code in REFUSALS:
        return StoreRefusal(str(error))
    return StoreError(str(error))
