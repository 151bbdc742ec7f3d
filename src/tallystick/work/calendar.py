"""Calendars: when a schedule in a time zone is due next, and which days lie behind it."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Literal

from tallystick.clock import from_us, wall_time, zone_of

Frequency = Literal["daily", "weekly", "monthly"]
FREQUENCIES: tuple[Frequency, ...] = ("daily", "weekly", "monthly")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOST_PERIODS = 31  # of those missed that are still sent
_DAY = timedelta(days=1)
_AT = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days, both included, with their begin and end in microseconds."""

    first: date
    last: date
    start: int
    end: int

    @property
    def words(self) -> str:
        return f"{self.first} to {self.last}" if self.last > self.first else f"{self.first}"


class BadCalendar(ValueError):
    """An invalid calendar: `field` names the wrong part, the detail says what to write."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Calendar:
    """A time on some days in a zone; `weekday` 0 is Monday, `day` is a day of the month or its last one."""

    frequency: Frequency
    at: str
    weekday: int
    day: int
    zone_name: str

    @property
    def zone(self) -> tzinfo:
        return zone_of(self.zone_name)

    @property
    def words(self) -> str:
        """For people: `each Monday at 07:30 (Europe/Berlin)`."""
        when = {
            "daily": "each day",
            "weekly": f"each {WEEKDAYS[self.weekday].capitalize()}",
            "monthly": "on the last day of each month" if self.day == 31 else f"on day {self.day} of each month",
        }[self.frequency]
        return f"{when} at {self.at} ({self.zone_name})"

    def following(self, now: int) -> int:
        """The first time after `now`, both in microseconds."""
        zone, at = self.zone, time.fromisoformat(self.at)
        day = from_us(now).astimezone(zone).date() - _DAY
        while True:
            if self._is_one(day) and (found := moment_of(day, at, zone)) > now:
                return found
            day += _DAY

    def period_before(self, at: int) -> Period:
        """The last day, week (from Monday) or month that was over at `at`."""
        zone = self.zone
        day = from_us(at).astimezone(zone).date()
        if self.frequency == "daily":
            first = last = day - _DAY
        elif self.frequency == "weekly":
            first = day - timedelta(days=day.weekday() + 7)
            last = first + timedelta(days=6)
        else:
            last = day.replace(day=1) - _DAY
            first = last.replace(day=1)
        return Period(first, last, moment_of(first, time(), zone), moment_of(last + _DAY, time(), zone))

    def missed(self, until: int, at: int) -> tuple[list[Period], bool]:
        """The periods that were over at `at` and end after `until`, oldest first; and whether older ones were cut."""
        found: list[Period] = []
        period = self.period_before(at)
        while period.end > until and len(found) < MOST_PERIODS:
            found.append(period)
            period = self.period_before(period.start)
        return found[::-1], bool(found) and period.end > until

    def _is_one(self, day: date) -> bool:
        if self.frequency == "weekly":
            return day.weekday() == self.weekday
        return self.frequency == "daily" or day.day == min(self.day, monthrange(day.year, day.month)[1])


def moment_of(day: date, at: time, zone: tzinfo) -> int:
    """That time of that day in microseconds: of two, the first; if clocks skip it, the moment they go on."""
    return wall_time(datetime.combine(day, at), zone)


def parse_calendar(frequency: str, at: str, weekday: str, day: int, zone: str) -> Calendar:
    """The calendar of what a person entered, the weekday by name. Raises BadCalendar."""
    known = next((one for one in FREQUENCIES if one == frequency), None)
    if known is None:
        raise BadCalendar("frequency", f"frequency is one of {', '.join(FREQUENCIES)}.")
    if not _AT.fullmatch(at):
        raise BadCalendar("at", "at is a time such as 07:30.")
    if weekday not in WEEKDAYS:
        raise BadCalendar("weekday", f"weekday is one of {', '.join(WEEKDAYS)}.")
    if not 1 <= day <= 31:
        raise BadCalendar("day", "day is a day of the month, 1 to 31; where a month is shorter its last day is meant.")
    try:
        zone_of(zone)
    except ValueError:
        detail = f"There is no time zone {zone[:60]!r}: write a name such as Europe/Berlin, or UTC."
        raise BadCalendar("timezone", detail) from None
    return Calendar(known, at, WEEKDAYS.index(weekday), day, zone)
