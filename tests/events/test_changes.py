"""Changes are told leaf by leaf."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.events.changes import Change, changes_of


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"error": "Policy violation"}, [Change("error", "is", after='"Policy violation"')]),
        ({"resources_planned": 5}, [Change("resources_planned", "is", after="5")]),
        ({"plan": {"before": "pro", "after": "free"}}, [Change("plan", "changed", '"pro"', '"free"')]),
        ({"n": {"before": "5", "after": 5}}, [Change("n", "changed", '"5"', "5")]),
        ({"n": {"before": None, "after": ""}}, [Change("n", "changed", "null", '""')]),
        ({"n": {"after": 1}}, [Change("n", "added", after="1")]),
        ({"n": {"before": 1}}, [Change("n", "removed", before="1")]),
        ({"s": {"mfa": {"before": False, "after": True}}}, [Change("s.mfa", "changed", "false", "true")]),
        (
            {"s": {"before": {"a": 1, "b": {"c": 2, "d": 3}}, "after": {"b": {"c": 4, "d": 3}, "e": 5}}},
            [Change("s.a", "removed", "1"), Change("s.b.c", "changed", "2", "4"), Change("s.e", "added", after="5")],
        ),
        (
            {"roles": {"before": ["a", "b", "b"], "after": ["b", "c"]}},
            [
                Change("roles", "removed", '"a"'),
                Change("roles", "removed", '"b"'),
                Change("roles", "added", after='"c"'),
            ],
        ),
        ({"o": {"before": [1, 2], "after": [2, 1]}}, [Change("o", "changed", "[1, 2]", "[2, 1]")]),
        ({"o": {"before": {}, "after": {}}}, [Change("o", "changed", "{}", "{}")]),
        ({"o": {}}, [Change("o", "is", after="{}")]),
        ({"o": {"before": {"a": 1}, "after": {"a": 1}}}, []),
    ],
)
def test_each_change_is_told_for_what_it_is(changes, told):
    assert list(changes_of(changes)) == told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_every_value_told_is_a_value_in_json_on_one_line(changes):
    for one in changes_of(changes):
        for text in (one.before, one.after):
            assert "\n" not in text
            assert text == "" or json.loads(text) is not NotImplemented
