"""Dates and times as people write them, in a time zone."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from tallystick.clock import SECOND_US, from_us, to_us, wall_time

FORMS = "2024-01-31, 2024-01-31T14:30:00Z, today, yesterday, or 30m, 24h, 7d, 4w for that long ago"

_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"([0-9]{1,6})([mhdw])")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?) ?(Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.IGNORECASE,
)
_LOOSE_DAY = re.compile(r"([0-9]{4})[-/. ]([0-9]{1,2})[-/. ]([0-9]{1,2})")


def parse_duration(text: str) -> int:
    """The length of `30m`, `24h`, `7d` or `4w` in microseconds; else ValueError."""
    if (found := _AGO.fullmatch(text.strip().lower())) is None:
        raise ValueError("not a length of time")
    return int(found[1]) * _SECONDS[found[2]] * SECOND_US


@dataclass(frozen=True, slots=True)
class DateOrTime:
    """Microseconds since 1970 UTC: a day from `first` until `after`, or a time: `first` as a start, `after` as an end.

    Both of a time are equal, unless clocks show it twice: then the period from `first` to `after` has it both times.
    """

    first: int
    after: int
    is_day: bool = False

    @property
    def before(self) -> int:
        """The moment before which events are before this day or time."""
        return self.first if self.is_day else self.after


@dataclass(frozen=True, slots=True)
class Clock:
    """The current time (microseconds since 1970 UTC) and zone, by which relative and zoneless dates are read."""

    now: int
    zone: tzinfo = UTC

    def read(self, text: str) -> DateOrTime:
        """Parse a date, a time (in the zone unless it has an offset), `today`, `yesterday`, or `7d` (ago); else
        ValueError."""
        word = text.strip().lower()
        today = from_us(self.now).astimezone(self.zone).date()
        if word in ("today", "yesterday"):
            return self.day(today - timedelta(days=word == "yesterday"))
        if (ago := word.removeprefix("now").removeprefix("-")) != word and not ago:
            return DateOrTime(self.now, self.now)
        if _AGO.fullmatch(ago):
            at = self.now - parse_duration(ago)
            return DateOrTime(at, at)
        if _DAY.fullmatch(word):
            return self.day(date.fromisoformat(word))
        parts = _TIME.fullmatch(word)
        if parts is None:
            raise ValueError("not a date or time")
        moment = datetime.fromisoformat(f"{parts[1]}T{parts[2]}{(parts[3] or '').upper()}")
        return DateOrTime(self._at(moment), self._at(moment, last=True))

    def day(self, day: date) -> DateOrTime:
        """That day in the zone; it may have 23 or 25 hours."""
        try:
            following = day + timedelta(days=1)
        except OverflowError:
            raise ValueError("the last day of all has no end") from None
        first, after = (self._at(datetime.combine(one, time())) for one in (day, following))
        return DateOrTime(first, after, is_day=True)

    def near(self, text: str) -> str:
        """A day that was probably meant, in a form that can be parsed; today if there is no guess."""
        loose = _LOOSE_DAY.search(text)
        try:
            if loose:
                return date(int(loose[1]), int(loose[2]), int(loose[3])).isoformat()
        except ValueError:
            pass
        return from_us(self.now).astimezone(self.zone).date().isoformat()

    def _at(self, moment: datetime, *, last: bool = False) -> int:
        try:
            return to_us(moment) if moment.tzinfo else wall_time(moment, self.zone, last=last)
        except OverflowError:
            raise ValueError("outside the calendar") from None
