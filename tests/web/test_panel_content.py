"""Facts of the detail panel."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from tallystick.events.geoip import AddressFacts
from tallystick.events.incoming import Context, EventInput
from tallystick.events.intake import prepare
from tallystick.events.record import StoredEvent
from tallystick.query.scope import Principal
from tallystick.search.filters import query_from
from tallystick.search.match import compile_match
from tallystick.web.filters import Filters, parse_filters
from tallystick.web.panel_content import event_panel, user_agent_text

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"  # noqa: E501
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:121.0) Gecko/20100101 Firefox/121.0"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MAC, "Chrome 120 on macOS"),
        (WINDOWS, "Firefox 121 on Windows 10"),
        ("Chrome/120.0", "Chrome 120"),
        ("curl/8.4.0", "curl 8"),
        ("our-own-agent/1.0", ""),
        ("<script>alert(1)</script>", ""),
        ("", ""),
        ("(" * 5000, ""),
    ],
)
def test_a_known_user_agent_is_shown_as_text(text, words):
    assert user_agent_text(text) == words


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (AddressFacts("DE", "AS3320"), "Country and network, from the address"),
        (AddressFacts("", "AS3320"), "Network, from the address"),
        (AddressFacts(), None),
    ],
)
def test_the_panel_says_what_the_server_filled_in(facts, words):
    event = EventInput("user.login", context=Context(ip_address="203.0.113.9"))
    [prepared] = prepare(
        [event],
        received_at=1_705_329_045_120_000,
        recorded_by=Principal("api_key", "key_1", "ci"),
        redacted_keys=frozenset(),
        find_address=lambda _address: facts,
    )
    one = prepared.record
    stored = StoredEvent(
        0, one.id, one.received_at, one.occurred_at, one.what, one.target, one.who, one.details, one.seed
    )
    shown = {fact.label: fact.value for fact in event_panel(stored, Filters(), "http://127.0.0.1").facts}
    assert shown.get("Filled in by the server") == words


@pytest.mark.parametrize(
    ("changes", "terms"),
    [
        ({"nest": {"before": {"a": [1]}, "after": {"a": [2]}}}, ["changes.nest.before.a:1", "changes.nest.after.a:2"]),
        ({"plan": {"before": "pro", "after": "free"}}, ["changes.plan.after:free"]),
        ({"role": {"before": "admin"}}, ["changes.role.before:admin"]),
        ({"a": {"b": {"after": True}}}, ["changes.a.b.after:true"]),
        ({"size": 1.5e300, "price": 2.50}, ["changes.size:1.5e300", "changes.price:2.5"]),
        ({"gone": None, "list": [1], "empty": "", "object": {}, "lines": "a\nb"}, ["", "", "", "", ""]),
        ({"text": 'a "b" *'}, [r'changes.text:"a \"b\" *"']),
    ],
)
def test_a_change_is_linked_where_its_value_stands(changes, terms):
    event = EventInput("project.updated", changes=changes)
    [prepared] = prepare(
        [event],
        received_at=1_705_329_045_120_000,
        recorded_by=Principal("api_key", "key_1", "ci"),
        redacted_keys=frozenset(),
    )
    one = prepared.record
    stored = StoredEvent(
        0, one.id, one.received_at, one.occurred_at, one.what, one.target, one.who, one.details, one.seed
    )
    links = [change.links for change in event_panel(stored, Filters(), "http://127.0.0.1").changes]
    assert [link.term for link in links] == terms
    for link in links:
        if link.show_only:
            assert compile_match(query_from(parameters_of(link.show_only), now=0))(one)
            assert not compile_match(query_from(parameters_of(link.exclude), now=0))(one)


def parameters_of(url):
    return parse_filters(parse_qsl(urlsplit(url).query)).parameters(0)
