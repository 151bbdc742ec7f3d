"""The steps of a time axis begin where people of the zone expect it, whatever its clocks do."""

from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.clock import from_us, zone_of
from tallystick.search.time_steps import INTERVALS, edges, interval_for
from tests.search.material import at

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
    "America/Havana", "Africa/Cairo", "Pacific/Apia", "Pacific/Chatham", "America/St_Johns", "Pacific/Kiritimati",
)  # fmt: skip
MOST = 500


def shown(start: str, end: str, interval: int, zone: str) -> list[str]:
    found = edges(at(start), at(end), interval, ZoneInfo(zone))
    return [f"{from_us(edge).astimezone(ZoneInfo(zone)):%m-%d %H:%M}" for edge in found]


@given(
    st.integers(at("1990-01-02T00:00:00Z"), at("2030-01-01T00:00:00Z")),
    st.timedeltas(timedelta(milliseconds=1), timedelta(days=9000)),
    st.integers(1, MOST),
    st.sampled_from(ZONES),
)
def test_steps_cover_the_period_and_begin_at_round_local_times(
    start: int, length: timedelta, most: int, zone: str
) -> None:
    end = start + max(1, length // timedelta(microseconds=1))
    interval = interval_for(start, end, most)
    found = edges(start, end, interval, zone_of(zone))
    assert found[0] <= start < found[1]
    assert found[-2] < end <= found[-1]
    assert all(before < after for before, after in pairwise(found))
    assert len(found) <= most * 1.1 + 4
    changes = 0
    for edge in found:
        local = from_us(edge).astimezone(zone_of(zone))
        seconds = local.hour * 3600 + local.minute * 60 + local.second
        changes += bool(seconds % min(interval, 86_400))
    # Where clocks skip the time at which a step would begin, it begins when they go on.
    assert changes <= 2 + (end - start) // (150 * 86_400_000_000)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "Asia/Kathmandu"])
def test_days_begin_at_local_midnight(zone: str) -> None:
    assert shown("2026-08-30T12:00:00Z", "2026-09-01T12:00:00Z", 86_400, zone) == [
        "08-30 00:00", "08-31 00:00", "09-01 00:00", "09-02 00:00",
    ]  # fmt: skip


def test_weeks_begin_on_mondays_and_months_on_their_first_day() -> None:
    assert shown("2026-09-03T00:00:00Z", "2026-09-15T00:00:00Z", 604_800, "Europe/Berlin") == [
        "08-31 00:00", "09-07 00:00", "09-14 00:00", "09-21 00:00",
    ]  # fmt: skip
    assert shown("2026-01-31T23:30:00Z", "2026-03-05T00:00:00Z", 2_592_000, "Europe/Berlin") == [
        "02-01 00:00", "03-01 00:00", "04-01 00:00",
    ]  # fmt: skip


def test_hours_of_a_zone_with_half_an_hour_begin_at_its_full_hours() -> None:
    assert shown("2026-09-01T05:00:00Z", "2026-09-01T06:45:00Z", 3600, "Asia/Kolkata") == [
        "09-01 10:00", "09-01 11:00", "09-01 12:00", "09-01 13:00",
    ]  # fmt: skip


def test_an_hour_that_comes_twice_is_two_steps_of_an_hour_and_part_of_a_longer_one() -> None:
    night = ("2026-10-24T23:00:00Z", "2026-10-25T03:00:00Z")
    assert shown(*night, 3600, "Europe/Berlin") == [
        "10-25 01:00", "10-25 02:00", "10-25 02:00", "10-25 03:00", "10-25 04:00",
    ]  # fmt: skip
    assert shown(*night, 21_600, "Europe/Berlin") == ["10-25 00:00", "10-25 06:00"]


def test_a_day_whose_midnight_the_clocks_skip_begins_when_they_go_on() -> None:
    assert shown("2024-04-25T12:00:00Z", "2024-04-26T12:00:00Z", 86_400, "Africa/Cairo") == [
        "04-25 00:00", "04-26 01:00", "04-27 00:00",
    ]  # fmt: skip


def test_intervals_are_what_people_count_in() -> None:
    assert list(INTERVALS) == sorted(INTERVALS)
    assert all(86_400 % interval == 0 for interval in INTERVALS if interval < 86_400)
