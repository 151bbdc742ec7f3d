"""Lengths of time as people write them."""

import pytest

from tallystick.search.dates import parse_duration

MINUTE = 60_000_000


@pytest.mark.parametrize(("text", "minutes"), [("30m", 30), ("24h", 1440), ("7d", 10_080), (" 4W ", 40_320), ("0m", 0)])
def test_a_length_is_a_number_and_a_unit(text, minutes):
    assert parse_duration(text) == minutes * MINUTE


@pytest.mark.parametrize("text", ["", "h", "1", "1y", "-1h", "1.5h", "1h30m", "٣h", "9999999h"])
def test_what_is_no_length_is_refused(text):
    with pytest.raises(ValueError, match="length"):
        parse_duration(text)
