"""Which texts a mandatory filter may have."""

import pytest

from tallystick.errors import BadRequest
from tallystick.search.filter_text import parse_filter

REFUSED = [
    "deploy", '"a phrase"', "category:deployments deploy", "-deploy", "evt_01hk6v2q8zfw0a3m5n7p9r1t3v",
    "metadata.team:platform", "metadata.team:*", "metadata.count:>3", "metadata.count:3..5", "metadata.list[name:=x]",
    "user:*", "user:*@acme.com", "action:*.failed", "action:a*b", "reason:x", "original:x", "user_agent:curl/8",
    "after:7d", "on:today", "category:deployments OR after:yesterday",
    "user:" + "x" * 1000,
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_strangers_can_write_and_what_moves_is_refused(text):
    with pytest.raises(BadRequest) as refused:
        parse_filter(text, now=1_790_000_000_000_000)
    assert refused.value.code == "bad_filter"


@pytest.mark.parametrize("text", ["category:deploiments", "user:", "(", 'a"'])
def test_what_is_no_query_is_explained_as_in_the_search_box(text):
    with pytest.raises(BadRequest) as refused:
        parse_filter(text, now=0)
    assert refused.value.code == "bad_query"


def test_a_blank_filter_is_none():
    assert parse_filter("  ", now=0) is None
