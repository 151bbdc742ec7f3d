"""A row says why it was found where none of its cells does."""

import pytest

from tallystick.web.match_snippet import match_snippet

EVENT = {
    "changes": {"error": "Policy violation: S3 encryption required", "deep": {"list": [1, {"enabled": True}]}},
    "metadata": {"note": f"{'before ' * 30}needle{' after' * 30}"},
}


def test_the_value_that_holds_what_was_searched_is_told_with_its_path():
    assert match_snippet(EVENT, ["deployment.failed"], ("encryption",)) == ("error: …S3 encryption required")


def test_nothing_is_told_where_a_cell_shows_it():
    assert match_snippet(EVENT, ["Encryption policy"], ("encryption",)) == ""
    assert match_snippet(EVENT, [], ()) == ""


def test_a_long_value_is_cut_around_the_place():
    told = match_snippet(EVENT, [], ("needle",))
    assert "needle" in told
    assert told.startswith("note: …")
    assert told.endswith("…")
    assert len(told) < 130


@pytest.mark.parametrize(("needle", "told"), [("true", "enabled: true"), ("1", "list: 1")])
def test_values_within_lists_are_told_as_people_see_them(needle, told):
    assert match_snippet(EVENT, [], (needle,)) == told
