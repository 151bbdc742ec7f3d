"""The steps of a time axis, which begin where people expect it in their zone: at full hours, midnights, Mondays."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo

from tallystick.clock import DAY_US, HOUR_US, SECOND_US, from_us, wall_time

_DAY, _WEEK, _MONTH, _QUARTER, _YEAR, _DECADE = 86_400, 604_800, 2_592_000, 7_776_000, 31_536_000, 315_360_000
# What people think of as one step on a time axis, in seconds; those of months and longer are calendar months, so that
# their length is about this.
INTERVALS = (
    1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 14_400, 21_600, 43_200,
    _DAY, 2 * _DAY, _WEEK, 2 * _WEEK, _MONTH, _QUARTER, _YEAR, _DECADE,
)  # fmt: skip
_MONTHS = {_MONTH: 1, _QUARTER: 3, _YEAR: 12, _DECADE: 120}
_MONDAY = 1  # the ordinal of a Monday


def interval_for(start: int, end: int, most: int) -> int:
    """The shortest interval, in seconds, of which about `most` cover the period (microseconds)."""
    return next((one for one in INTERVALS if (end - start) / (one * SECOND_US) <= most), INTERVALS[-1])


def edges(start: int, end: int, interval: int, zone: tzinfo) -> list[int]:
    """The moments at which steps begin, ascending, and the end of the last: they cover start ≤ time < end.

    All in microseconds since 1970 UTC; `interval` is one of INTERVALS, in seconds. A step of more than an hour has its
    length by the clock: where the clocks change, it is longer or shorter.
    """
    steps = _days(start, interval, zone) if interval >= _DAY else _times(start, end, interval, zone)
    found: list[int] = []
    for edge in steps:
        if edge <= start:
            found = [edge]
        elif not found or edge > found[-1]:
            found.append(edge)
        if edge >= end:
            break
    return found


def _midnight(day: date, zone: tzinfo) -> int:
    return wall_time(datetime.combine(day, time()), zone)


def _days(start: int, interval: int, zone: tzinfo) -> Iterator[int]:
    """The midnights at which steps of whole days begin, from one that is not after `start` on, without end."""
    day = from_us(start).astimezone(zone).date()
    if months := _MONTHS.get(interval):
        number = (day.year * 12 + day.month - 1) // months * months
        while True:
            yield _midnight(date(number // 12, number % 12 + 1, 1), zone)
            number += months
    length = interval // _DAY
    day -= timedelta(days=(day.toordinal() - _MONDAY) % length)
    while True:
        yield _midnight(day, zone)
        day += timedelta(days=length)


def _times(start: int, end: int, interval: int, zone: tzinfo) -> Iterator[int]:
    """The moments at which steps shorter than a day begin, from one that is not after `start` on."""
    day = from_us(start).astimezone(zone).date()
    while True:
        first, after = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
        if first >= end:
            yield first
            return
        yield from _within_day(day, first, after, interval, zone, start, end)
        day += timedelta(days=1)


def _within_day(day: date, first: int, after: int, interval: int, zone: tzinfo, start: int, end: int) -> Iterator[int]:
    width = interval * SECOND_US
    change = after - first - DAY_US
    if change % width == 0:
        # Also where clocks go back or forward by whole steps: an hour that comes twice is two steps.
        begin = first + max(0, (start - first) // width) * width
        yield from range(begin, min(after, end + width), width)
        return
    # Clocks change by a part of a step: it begins when they show its time first, or skip it.
    midnight = datetime.combine(day, time())
    for number in range(DAY_US // width):
        wall = midnight + timedelta(seconds=number * interval)
        yield wall_time(wall, zone)
        if width <= HOUR_US and (again := wall_time(wall, zone, last=True)) < after:
            yield again
