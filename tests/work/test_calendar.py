"""When a schedule is due: once each day, week or month of its zone, whatever the clocks do there."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.clock import DAY_US, from_us, to_us
from tallystick.work.calendar import FREQUENCIES, MOST_PERIODS, WEEKDAYS, Calendar, moment_of
from tests.schedules.schedule_driver import at

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo",
    "Africa/Casablanca", "Pacific/Apia", "Pacific/Chatham", "America/Havana", "Asia/Beirut", "Antarctica/Troll",
)  # fmt: skip
moments = st.integers(to_us(datetime(2008, 1, 1, tzinfo=UTC)), to_us(datetime(2032, 1, 1, tzinfo=UTC)))
calendars = st.builds(
    Calendar,
    frequency=st.sampled_from(FREQUENCIES),
    at=st.times().map(lambda one: f"{one:%H:%M}"),
    weekday=st.integers(0, 6),
    day=st.integers(1, 31),
    zone_name=st.sampled_from(ZONES),
)


def local(moment: int, zone: str) -> str:
    return f"{from_us(moment).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %z}"


def following(calendar: Calendar, start: str, times: int) -> list[str]:
    now, found = at(start), []
    for _ in range(times):
        now = calendar.following(now)
        found.append(local(now, calendar.zone_name))
    return found


@pytest.mark.parametrize(
    ("calendar", "start", "wanted"),
    [
        (  # half past two is left out: at the moment that clocks go on
            Calendar("daily", "02:30", 0, 1, "America/New_York"),
            "2024-03-09 12:00",
            ["2024-03-10 03:00 -0400", "2024-03-11 02:30 -0400"],
        ),
        (  # half past one comes twice: the first
            Calendar("daily", "01:30", 0, 1, "America/New_York"),
            "2024-11-02 12:00",
            ["2024-11-03 01:30 -0400", "2024-11-04 01:30 -0500"],
        ),
        (
            Calendar("weekly", "07:30", 4, 1, "Europe/Berlin"),
            "2024-03-27 12:00",
            ["2024-03-29 07:30 +0100", "2024-04-05 07:30 +0200"],
        ),
        (
            Calendar("monthly", "07:30", 0, 31, "Europe/Berlin"),
            "2024-01-31 12:00",
            ["2024-02-29 07:30 +0100", "2024-03-31 07:30 +0200", "2024-04-30 07:30 +0200"],
        ),
        (Calendar("daily", "00:00", 0, 1, "Asia/Beirut"), "2024-03-30 12:00", ["2024-03-31 01:00 +0300"]),
    ],
)
def test_it_is_due_at_the_local_time(calendar, start, wanted):
    assert following(calendar, start, len(wanted)) == wanted


@given(calendars, moments)
def test_what_is_due_next_is_later_and_soon_and_nothing_lies_between(calendar, now):
    found = calendar.following(now)
    most = {"daily": 2, "weekly": 8, "monthly": 32}[calendar.frequency]
    assert now < found <= now + most * DAY_US
    assert calendar.following(found - 1) == found
    assert calendar.following((now + found) // 2) == found


@given(calendars, moments)
def test_it_is_due_once_for_each_day_that_it_is_wanted_on(calendar, now):
    zone, seen = ZoneInfo(calendar.zone_name), []
    for _ in range(5):
        now = calendar.following(now)
        seen.append(from_us(now).astimezone(zone))
    assert len({one.date() for one in seen}) >= 4  # Samoa left out a day: what was due then came at its end
    hour, minute = map(int, calendar.at.split(":"))
    for one in seen:
        wall = datetime.combine(one.date(), time(hour, minute), zone)
        there = wall.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None)
        assert (one.hour, one.minute) == (hour, minute) or not there or one.date() == date(2011, 12, 31)
        if calendar.frequency == "weekly" and there:
            assert one.weekday() == calendar.weekday or one.date() == date(2011, 12, 31)


@given(calendars, moments)
def test_the_periods_before_follow_each_other_without_gap_or_overlap(calendar, now):
    newer = calendar.period_before(now)
    assert newer.end <= now
    assert calendar.period_before(newer.end) == newer
    older = calendar.period_before(newer.start)
    assert (older.end, older.last + timedelta(days=1)) == (newer.start, newer.first)


@given(calendars, moments, st.integers(0, 40))
def test_what_was_missed_is_each_period_since_and_not_without_end(calendar, now, ago):
    until = now
    for _ in range(ago):
        until = calendar.period_before(until).start
    missed, left_out = calendar.missed(until, now)
    assert all(period.end > until for period in missed)
    assert all(one.end == other.start for one, other in pairwise(missed))
    assert len(missed) <= MOST_PERIODS
    assert left_out == (len(missed) == MOST_PERIODS and missed[0].start > until)


@given(st.dates(date(2008, 1, 1), date(2032, 1, 1)), st.times(), st.sampled_from(ZONES))
def test_a_time_of_a_day_is_that_time_or_the_end_of_what_clocks_left_out(day, clock, zone_name):
    zone = ZoneInfo(zone_name)
    clock = clock.replace(second=0, microsecond=0)
    found = moment_of(day, clock, zone)
    shown = from_us(found).astimezone(zone).replace(tzinfo=None)
    wanted = datetime.combine(day, clock)
    if shown != wanted:
        before = from_us(found - 1).astimezone(zone).replace(tzinfo=None)
        assert before < wanted < shown or wanted == before.replace(microsecond=0) + timedelta(seconds=1)


def test_its_words_say_when():
    assert Calendar("weekly", "07:30", 0, 1, "UTC").words == "each Monday at 07:30 (UTC)"
    assert Calendar("monthly", "07:30", 0, 31, "UTC").words == "on the last day of each month at 07:30 (UTC)"
    assert WEEKDAYS[0] == "monday"
