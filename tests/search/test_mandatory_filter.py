"""Mandatory filters as they are stored."""

import pytest

from tallystick.query.conditions import Contains, Or
from tallystick.query.mandatory_filter import NOTHING, MandatoryFilter, read_filter
from tallystick.search.filter_text import parse_filter

FILTERS = [
    "category:deployments",
    "resource:prj_88 OR resource:prj_89*",
    "-(user:tom@acme.com status:failed)",
    "ip:10.0.0.0/8 ip:2001:db8::/32",
    'metadata.team:="platform team"',
    "after:2026-01-01 before:2026-12-31 severity:>=high",
]
BROKEN = ["", "{", "[]", '["and",[]]', '["equals","secret",["x"]]', '["any"]', '["not"]', "null"]


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_is_read_as_it_was_stored(text):
    made = parse_filter(text, now=0)
    assert made is not None
    assert read_filter(made.text, made.stored) == made


def test_no_filter_is_stored_as_nothing():
    assert read_filter("", "") is None


@pytest.mark.parametrize("stored", BROKEN)
def test_a_filter_that_cannot_be_read_lets_nothing_be_read(stored):
    assert read_filter("category:deployments", stored) == MandatoryFilter("category:deployments", NOTHING)


def test_a_word_cannot_be_stored():
    with pytest.raises(ValueError, match="Contains"):
        _ = MandatoryFilter("deploy", Or((Contains("deploy"),))).stored
