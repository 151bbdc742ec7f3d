"""A row says why it was found where none of its cells does."""

import pytest

from tallystick.web.match_snippet import found_in_details

EVENT = {
    "changes": {"error": "Policy violation: S3 encryption required", "deep": {"list": [1, {"enabled": True}]}},
    "metadata": {"note": f"{'before ' * 30}needle{' after' * 30}"},
}


def test_the_value_that_holds_what_was_searched_is_told_with_its_path():
    assert found_in_details(EVENT, ["deployment.failed"], ("encryption",)) == ("error: …S3 encryption required")


def test_nothing_is_told_where_a_cell_shows_it():
    assert found_in_details(EVENT, ["Encryption policy"], ("encryption",)) == ""
    assert found_in_details(EVENT, [], ()) == ""


def test_a_long_value_is_cut_around_the_place():
    told = found_in_details(EVENT, [], ("needle",))
    assert "needle" in told
    assert told.startswith("note: …")
    assert told.endswith("…")
    assert len(told) < 130


@pytest.mark.parametrize(("needle", "told"), [("true", "enabled: true"), ("1", "list: 1")])
def test_values_within_lists_are_told_as_people_see_them(needle, told):
    assert found_in_details(EVENT, [], (needle,)) == told
