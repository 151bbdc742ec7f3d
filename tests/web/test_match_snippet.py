"""The snippet of a match in an event's details."""

import pytest

from tallystick.web.match_snippet import match_snippet

EVENT = {
    "changes": {"error": "Policy violation: S3 encryption required", "deep": {"list": [1, {"enabled": True}]}},
    "metadata": {"note": f"{'before ' * 30}needle{' after' * 30}"},
}


def test_the_matching_value_is_shown_with_its_name():
    assert match_snippet(EVENT, ["deployment.failed"], ("encryption",)) == ("error: …S3 encryption required")


def test_no_snippet_if_a_cell_shows_the_match():
    assert match_snippet(EVENT, ["Encryption policy"], ("encryption",)) == ""
    assert match_snippet(EVENT, [], ()) == ""


def test_a_long_value_is_shortened_around_the_match():
    told = match_snippet(EVENT, [], ("needle",))
    assert "needle" in told
    assert told.startswith("note: …")
    assert told.endswith("…")
    assert len(told) < 130


@pytest.mark.parametrize(("needle", "told"), [("true", "enabled: true"), ("1", "list: 1")])
def test_values_in_lists_are_shown_as_text(needle, told):
    assert match_snippet(EVENT, [], (needle,)) == told
