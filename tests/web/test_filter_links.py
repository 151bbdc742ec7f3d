"""The "show only" and "exclude" links of a value."""

from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from tallystick.query.conditions import And, Equals, Not
from tallystick.query.values import literal_pattern
from tallystick.search.filters import query_from
from tallystick.search.grammar import parse
from tallystick.web.filter_links import NO_LINKS, filter_links
from tallystick.web.filters import Filters, parse_filters
from tests.web.happenings import ZOO


def asked(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


def test_a_filter_replaces_its_values_and_a_qualifier_is_added_to_the_search():
    filters = Filters(q="deploy", user=("john@example.com",))
    links = filter_links(filters, "/audit-logs/evt_1", "user", "sarah@acme.com")
    assert asked(links.show_only) == {"q": ["deploy"], "user": ["sarah@acme.com"]}
    assert asked(links.exclude) == {"q": ["deploy -user:sarah@acme.com"], "user": ["john@example.com"]}
    session = filter_links(filters, "/audit-logs/evt_1", "session", "ses_1")
    assert asked(session.show_only)["q"] == ["deploy session:ses_1"]


def test_a_search_with_or_keeps_its_meaning():
    links = filter_links(Filters(q="a OR b"), "/x", "session", "ses_1")
    assert asked(links.exclude)["q"] == ["(a OR b) -session:ses_1"]


def test_a_term_is_not_added_twice():
    once = filter_links(Filters(), "/x", "session", "ses_1").show_only
    assert filter_links(Filters(q=asked(once)["q"][0]), "/x", "session", "ses_1").show_only == once


@pytest.mark.parametrize("value", [*ZOO, "Sarah Lin", 'a "quoted" name', "(x)", "-x", "OR", "a:b", "2001:db8::1", "王"])
def test_every_value_is_quoted_so_that_the_search_is_valid(value):
    links = filter_links(Filters(), "/x", "user", value)
    assert isinstance(parse(asked(links.exclude)["q"][0], now=0), Not)
    query_from(asked(links.show_only), now=0)


@pytest.mark.parametrize("value", [" lead", "trail ", "\u2028line", "both\t"])
def test_blanks_around_a_value_belong_to_it(value):
    links = filter_links(Filters(), "/x", "resource", value)
    condition = query_from(parse_filters(parse_qsl(urlsplit(links.show_only).query)).parameters(0), now=0).condition
    assert (condition, links.filter) == (Equals("resource", (value,)), "")


@pytest.mark.parametrize("value", ["", "two\nlines", "return\r", "x" * 3000])
def test_a_value_that_the_search_box_cannot_hold_has_no_link(value):
    links = filter_links(Filters(), "/x", "user", value)
    assert links == NO_LINKS or links.exclude == ""


@pytest.mark.parametrize("value", ["a\\", 'a\\"b', "a*b", "*", "\\*", '\\\\"', "c:\\dir\\"])
def test_backslashes_stars_and_quotes_stand_for_themselves(value):
    for name, field in (("user", "user"), ("session", "session")):
        links = filter_links(Filters(), "/x", name, value)
        meant = Equals(field, (literal_pattern(value),))
        assert query_from(asked(links.show_only), now=0).condition == meant
        assert query_from(asked(links.exclude), now=0).condition == Not(meant)


@pytest.mark.parametrize(
    ("search", "term"),
    [
        ("session:a", "session:b"),
        ("session:a session:b", "session:a"),
        ('"x session:b y"', "session:b"),
        ("-(x session:b y)", "session:b"),
        ("a OR session:b", "session:b"),
    ],
)
def test_a_term_narrows_the_search_whatever_it_holds(search, term):
    links = filter_links(Filters(q=search), "/x", *term.split(":"))
    for one, meant in ((links.show_only, parse(term, now=0)), (links.exclude, Not(parse(term, now=0)))):
        found = parse(asked(one)["q"][0], now=0)
        assert isinstance(found, And)
        assert meant in found.conditions


def test_a_search_that_cannot_be_read_or_is_full_gets_no_further_term():
    for search in ('"open', " ".join(f"w{number}" for number in range(100))):
        assert filter_links(Filters(q=search), "/x", "session", "ses_1").show_only == ""
