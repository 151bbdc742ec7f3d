"""The search cut into its terms."""

import pytest

from tallystick.web.filters import Filters
from tallystick.web.search_terms import terms_of


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("", []),
        ("deploy", ["deploy"]),
        ('deploy "two words" user:a', ["deploy", '"two words"', "user:a"]),
        ('user:"Sarah Lin" AND failed', ['user:"Sarah Lin"', "failed"]),
        ("(a OR b) c", ["(a OR b)", "c"]),
        ("a OR b", ["a OR b"]),
        ("deploy (", ["deploy ("]),
        ("statsu:x", ["statsu:x"]),
    ],
)
def test_a_search_is_shown_as_the_terms_that_must_all_hold(query, terms):
    assert [term.text for term in terms_of(query)] == terms


def test_each_term_leaves_the_others_as_they_are():
    assert [term.rest for term in terms_of("a -user:x NOT (b OR c)")] == [
        "-user:x NOT (b OR c)",
        "a NOT (b OR c)",
        "a -user:x",
    ]


def test_an_excluded_term_is_called_so():
    chips = Filters(q="deploy -user:x NOT y").chips()
    assert [(chip.label, chip.value) for chip in chips] == [("Search", "deploy"), ("Not", "user:x"), ("Not", "y")]
