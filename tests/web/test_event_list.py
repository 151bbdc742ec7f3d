"""Counts, partial answers and empty lists of the event list."""

import re

import httpx
import pytest

from tallystick.web.event_list import EventList, count_text
from tallystick.web.filters import Filters
from tallystick.web.templating import render


@pytest.mark.parametrize(
    ("total", "relation", "words"),
    [
        (1234, "exact", "1,234 events"),
        (1, "exact", "1 event"),
        (0, "exact", "0 events"),
        (1234, "estimate", "≈ 1,200 events"),
        (1234, "at_least", "at least 1,234 events"),
        (None, None, ""),
    ],
)
def test_a_count_says_whether_it_is_exact(total, relation, words):
    assert count_text(total, relation) == words


def test_a_partial_answer_is_announced_and_can_be_continued():
    listing = EventList(
        Filters(q="-deploy"), partial=True, cursor="next", count="at least 0 events", empty_text="Nothing so far."
    )
    shown = render("results.html", listing=listing, filters=listing.filters, open_id="")
    assert "Only part of the period has been searched so far" in shown
    assert "Search further back" in shown
    assert "/audit-logs/rows?q=-deploy&amp;cursor=next" in shown


def test_a_complete_answer_says_that_it_is_the_end_or_links_to_older_events():
    for cursor, words in ((None, ""), ("next", "Older")):
        listing = EventList(Filters(), cursor=cursor, is_continuation=True)
        shown = render("results.html", listing=listing, filters=listing.filters, open_id="")
        assert (words or "No more events") in shown
        assert "Search further back" not in shown


def test_a_complete_list_is_counted_exactly(town):
    name, value = town.session("alice@acme.com")
    for query in ("q=encryption", "q=nobody-did-this"):
        shown = httpx.get(f"{town.server.url}/audit-logs?{query}", cookies={name: value}).text
        assert "≈" not in re.findall(r'id="count">(.*?)</p>', shown, re.DOTALL)[0]


def test_a_value_that_is_compared_whole_and_finds_nothing_says_how_to_find_a_beginning(town):
    name, value = town.session("alice@acme.com")
    shown = httpx.get(f"{town.server.url}/audit-logs?q=user:sar", cookies={name: value}).text
    assert "user:sar* also matches longer values" in shown
    shown = httpx.get(f"{town.server.url}/audit-logs?q=nobody-did-this", cookies={name: value}).text
    assert "also matches longer values" not in shown


def test_what_is_written_from_right_to_left_leaves_what_stands_beside_it_in_place(town):
    name, value = town.session("alice@acme.com")
    arabic = {"type": "user", "id": "u_rtl", "name": "مريم الأحمدي"}
    address = "2001:db8::7348"
    event = {"action": "project.created", "actor": arabic, "context": {"ip_address": address}}
    (recorded,) = town.record(event)
    shown = httpx.get(f"{town.server.url}/audit-logs/{recorded['id']}/investigate", cookies={name: value}).text
    assert f"<bdi>مريم الأحمدي</bdi> · {address}" in shown
