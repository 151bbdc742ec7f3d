"""Search matches are highlighted, and long ids are shortened in the middle."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.display_text import display_line
from tallystick.query.case_folding import fold
from tallystick.web.highlight import highlight


@pytest.mark.parametrize(
    ("text", "needles", "html"),
    [
        ("deployment.failed", (), "deployment.failed"),
        ("Deployment.failed", ("deploy",), "<mark>Deploy</mark>ment.failed"),
        ("vpc-prod in vpc-production", ("vpc-prod",), "<mark>vpc-prod</mark> in <mark>vpc-prod</mark>uction"),
        ("abc", ("ab", "bc"), "<mark>abc</mark>"),
        ("<b>&", ("b",), "&lt;<mark>b</mark>&gt;&amp;"),
        ("ΟΔΟΣ", ("οδοσ",), "<mark>ΟΔΟΣ</mark>"),
        ("İstanbul", ("stan",), "İ<mark>stan</mark>bul"),
    ],
)
def test_search_matches_are_highlighted(text, needles, html):
    assert highlight(text, needles) == html


def test_a_shortened_id_keeps_its_end():
    assert highlight("evt_01m831r012frv9t3cja7ctchn8") == (
        '<span class="middle"><span>evt_01m831r012frv9t3cja7</span><span>ctchn8</span></span>'
    )


def test_a_match_may_cross_the_cut():
    assert "<mark>ja7</mark></span><span><mark>ct</mark>chn8" in highlight("evt_01m831r012frv9t3cja7ctchn8", ("ja7ct",))


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=3).map(fold), max_size=3))
def test_only_marks_are_added_and_no_text_is_lost(text, needles):
    found = str(highlight(text, tuple(needles)))
    assert unescape(re.sub(r"</?(mark|span)[^>]*>", "", found)) == display_line(text)
