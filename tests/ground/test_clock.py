"""Times are microseconds inside and RFC 3339 UTC outside, exactly."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import clock

YEAR_1 = -62_135_596_800_000_000
YEAR_10000 = 253_402_300_800_000_000


@given(st.integers(YEAR_1, YEAR_10000 - 1))
def test_microseconds_survive_the_way_through_a_datetime(at):
    assert clock.to_us(clock.from_us(at)) == at


@given(st.integers(0, YEAR_10000 - 1), st.integers(0, YEAR_10000 - 1))
def test_text_order_is_time_order(one, other):
    assert (clock.rfc3339(one) < clock.rfc3339(other)) == (one < other)


def test_a_time_is_written_in_utc_with_six_digits():
    assert clock.rfc3339(1_705_329_045_120_000) == "2024-01-15T14:30:45.120000Z"


def test_now_is_now():
    before = clock.to_us(datetime.now(UTC))
    assert before <= clock.now_us() <= clock.to_us(datetime.now(UTC))


@pytest.mark.parametrize(
    ("at", "zone", "words"),
    [
        (1_705_329_045_120_000, "UTC", "2024-01-15 14:30:45.120 UTC"),
        (1_705_329_045_000_001, "UTC", "2024-01-15 14:30:45.000001 UTC"),
        (1_705_329_045_000_000, "Europe/Berlin", "2024-01-15 15:30:45.000 CET (UTC+01:00)"),
        (1_720_000_000_000_000, "America/Sao_Paulo", "2024-07-03 06:46:40.000 UTC-03:00"),
    ],
)
def test_for_people_a_time_says_its_zone(at, zone, words):
    assert clock.exact_time(at, ZoneInfo(zone)) == words
