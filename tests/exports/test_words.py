"""Filters, periods and controls in words."""

import pytest

from tallystick.compliance.framework import load_frameworks
from tallystick.exports.words import FRAMEWORKS, control_words, describe_filter, describe_period


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "any time"),
        ({"start": ["2026-11-21T23:00:37.048881+00:00"]}, "since 21 Nov 2026, 23:00 UTC"),
        ({"start": ["2026-11-01"], "end": ["2026-11-07"]}, "1 Nov 2026 to 7 Nov 2026"),
        ({"start": ["2026-11-01"], "tz": ["Europe/Berlin"]}, "since 1 Nov 2026 (Europe/Berlin)"),
        ({"end": ["2026-06-21T23:00:00Z"], "tz": ["Europe/Berlin"]}, "until 22 Jun 2026, 01:00 (Europe/Berlin)"),
        ({"start": ["2026-11-01"], "tz": ["Australia/[erased]"]}, "since 1 Nov 2026 (Australia/[erased])"),
        ({"start": ["7d"]}, "since 7d"),
    ],
)
def test_a_period_is_written_as_people_write_it(given, words):
    assert describe_period(given) == words


def test_a_file_that_goes_on_after_the_last_one_names_its_first_index():
    assert describe_period({}, 1_500) == "from log index 1,500 on"


def test_a_framework_is_called_by_its_title():
    assert describe_filter({"framework": ["soc2"], "start": ["2026-11-01"]}) == "SOC 2"
    assert describe_filter({}) == "All events"
    assert {name: one.title for name, one in load_frameworks(None, "acme").frameworks.items()} == FRAMEWORKS


def test_a_control_is_called_by_the_title_of_its_framework():
    assert control_words("soc2 CC6.3") == "SOC 2 · CC6.3"
    assert control_words("our own CC6.3") == "our own CC6.3"
