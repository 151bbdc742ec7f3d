"""Times: integers of microseconds since 1970 UTC inside, RFC 3339 in UTC outside."""

import time
from bisect import bisect_left
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US


def now_us() -> int:
    """Now, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def to_us(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970 UTC, exact."""
    return (moment - EPOCH) // MICROSECOND


def from_us(at_us: int) -> datetime:
    """Microseconds since 1970 UTC as an aware datetime in UTC, exact."""
    return EPOCH + timedelta(microseconds=at_us)


def wall_time(wall: datetime, zone: tzinfo, *, last: bool = False) -> int:
    """The moment at which clocks in the zone show `wall` (a datetime without zone), in microseconds since 1970 UTC.

    If clocks show it twice, it is the first moment, or the second with `last`; if they skip it, the moment they go on.
    Raises OverflowError outside the calendar.
    """
    found = to_us(wall.replace(tzinfo=zone, fold=int(last)))
    if from_us(found).astimezone(zone).replace(tzinfo=None, fold=0) == wall.replace(fold=0):
        return found
    # The clocks change between what the time would be with the later offset and with the earlier one.
    low, high = (to_us(wall.replace(tzinfo=zone, fold=fold)) // SECOND_US for fold in (1, 0))
    before = from_us(low * SECOND_US).astimezone(zone).utcoffset()
    changed = bisect_left(
        range(low, high), True, key=lambda second: from_us(second * SECOND_US).astimezone(zone).utcoffset() != before
    )
    return (low + changed) * SECOND_US


def rfc3339(at_us: int) -> str:
    """`2024-01-15T14:30:45.120000Z`: always UTC, always six digits, so that text order is time order."""
    return (EPOCH + timedelta(microseconds=at_us)).isoformat(timespec="microseconds")[:26] + "Z"


def optional_rfc3339(at_us: int | None) -> str | None:
    """A time as `rfc3339` writes it; None for None."""
    return None if at_us is None else rfc3339(at_us)


def exact_time(at_us: int, zone: tzinfo) -> str:
    """For people: `2024-01-15 14:30:45.120 UTC`; milliseconds, or microseconds if there are any, and the zone."""
    moment = from_us(at_us).astimezone(zone)
    fraction = f"{moment.microsecond:06d}"
    fraction = fraction[:3] if fraction.endswith("000") else fraction
    return f"{moment:%Y-%m-%d %H:%M:%S}.{fraction} {_zone_words(moment)}"


def second_words(at_us: int | None, zone: tzinfo) -> str:
    """For people, to the second: `2024-01-15 14:30:45 UTC`; "" for None."""
    return "" if at_us is None else exact_time(at_us - at_us % SECOND_US, zone).replace(".000", "")


def zone_of(name: str) -> tzinfo:
    """The time zone of that IANA name; ValueError if there is none."""
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        raise ValueError("not a time zone") from None


def _zone_words(moment: datetime) -> str:
    name, offset = moment.tzname() or "", moment.strftime("%z")
    if name == "UTC":
        return "UTC"
    words = f"UTC{offset[:3]}:{offset[3:5]}"
    return f"{name} ({words})" if name.isalpha() else words
