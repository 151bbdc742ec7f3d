"""What counts and what filters agree: every number is that of the filter behind it."""

import json
from ipaddress import IPv6Address
from itertools import count
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick import clock
from tallystick.events.intake import read_request
from tallystick.events.record import StoredEvent
from tallystick.query.conditions import EVERYTHING, Query
from tallystick.query.scope import Scope
from tallystick.query.values import literal_pattern
from tallystick.search.filters import QUALIFIERS, query_from
from tallystick.search.tokens import quoted_pattern
from tallystick.store import reading, value_counts
from tallystick.store.events import EventStore
from tallystick.store.value_counts import FIELDS
from tallystick.store.windows import Budget
from tallystick.web.facets import FIELDS as PAGE_FIELDS
from tallystick.web.filter_links import FilterLinks, filter_links
from tallystick.web.filters import Filters, parse_filters
from tallystick.web.panel_content import event_panel
from tests.fixtures.sizes import size
from tests.fixtures.spine import Spine
from tests.search.sent_events import events

_NUMBERS = count()
# Fields that no filter of the list has: their qualifiers.
_QUALIFIERS = {
    "on_behalf_of": "for", "recorded_by": "recorded_by", "status_reason": "reason", "original_action": "original",
    "auth_method": "auth", "credential_id": "credential", "session_id": "session", "agent_session_id": "session",
}  # fmt: skip
_of_a_sender = settings(
    max_examples=size(6, 300), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def filter_of(field: str, value: str) -> Query:
    """The filter behind a value."""
    pattern = literal_pattern(value)
    if field in QUALIFIERS and value == value.strip():
        return query_from({field: [pattern]}, now=clock.now_us())
    name = QUALIFIERS.get(field) or _QUALIFIERS.get(field, field)
    return query_from({"q": [f"{name}:{quoted_pattern(pattern)}"]}, now=clock.now_us())


def exact(spine: Spine, scope: Scope, query: Query) -> int:
    page = spine.finder.page(scope, query, limit=1, count="exact")
    assert page.total_relation == "exact"
    return page.total or 0


def recorded(spine: Spine, *sent: dict[str, object], shipped: bool = True) -> Scope:
    scope = spine.organization(f"acme-{next(_NUMBERS)}")
    spine.record(scope, *sent)
    if shipped:
        spine.ship()
    return scope


@_of_a_sender
@given(st.lists(events, min_size=5, max_size=15))
def test_the_links_of_top_values_find_as_many_events_as_they_say(
    sqlite_spine: Spine, sent: list[dict[str, object]]
) -> None:
    scope = recorded(sqlite_spine, *sent)
    everything = exact(sqlite_spine, scope, Query())
    for field in PAGE_FIELDS:
        for one in sqlite_spine.finder.facets(scope, Query(), field, limit=1000)["values"]:
            links = filter_links(Filters(), "/audit-logs", field, one["value"])
            for url, number in ((links.show_only, one["count"]), (links.exclude, everything - one["count"])):
                if url:
                    assert exact(sqlite_spine, scope, query_of(url)) == number, url


@_of_a_sender
@given(st.lists(events, min_size=5, max_size=15))
def test_the_count_of_every_value_is_the_count_of_its_filter(
    sqlite_spine: Spine, sent: list[dict[str, object]]
) -> None:
    scope = recorded(sqlite_spine, *sent)
    for field in FIELDS:
        counted = sqlite_spine.finder.facets(scope, Query(), field, limit=1000)
        assert not counted["partial"]
        found = {one["value"]: one["count"] for one in counted["values"]}
        assert len(found) == len(counted["values"])
        assert found == {value: exact(sqlite_spine, scope, filter_of(field, value)) for value in found}, field


@_of_a_sender
@given(st.lists(events, min_size=1, max_size=4))
def test_show_only_finds_its_event_and_exclude_loses_it(sqlite_spine: Spine, sent: list[dict[str, object]]) -> None:
    scope = recorded(sqlite_spine, *sent)
    for stored in sqlite_spine.finder.page(scope, Query(), limit=100).data:
        for links in links_of(stored):
            if links.show_only:
                assert stored.index in indexes(sqlite_spine, scope, links.show_only), links
            if links.exclude:
                assert stored.index not in indexes(sqlite_spine, scope, links.exclude), links


def links_of(stored: StoredEvent) -> list[FilterLinks]:
    panel = event_panel(stored, Filters(), "http://127.0.0.1")
    return [fact.links for fact in (*panel.facts, *panel.more)] + [change.links for change in panel.changes]


def indexes(spine: Spine, scope: Scope, url: str) -> set[int]:
    return {one.index for one in spine.finder.page(scope, query_of(url), limit=100, count="none").data}


def query_of(url: str) -> Query:
    return query_from(parse_filters(parse_qsl(urlsplit(url).query)).parameters(0), now=clock.now_us())


def test_spellings_of_a_person_are_one_row_with_the_most_frequent(sqlite_spine: Spine) -> None:
    people = ["eve@acme.com"] * 3 + ["Eve@Acme.com"] + ["EVE@ACME.COM"]
    scope = recorded(
        sqlite_spine, *({"action": "user.login", "actor": {"email": one, "id": "usr_7"}} for one in people)
    )
    query = filter_of("action", "user.login")
    values = sqlite_spine.finder.facets(scope, query, "user")["values"]
    assert values == [{"value": "eve@acme.com", "count": 5}]


def test_spellings_of_an_address_are_one_row(sqlite_spine: Spine) -> None:
    addresses = ["2001:db8::9", "2001:DB8:0:0:0:0:0:9", "2001:0db8::0009", "::ffff:198.51.100.7", "198.51.100.7"]
    scope = recorded(sqlite_spine, *({"action": "s3.put", "context": {"ip_address": one}} for one in addresses))
    values = sqlite_spine.finder.facets(scope, Query(), "ip")["values"]
    assert values == [{"value": "2001:0db8::0009", "count": 3}, {"value": "198.51.100.7", "count": 2}]
    for one in values:
        assert exact(sqlite_spine, scope, filter_of("ip", one["value"])) == one["count"]


def test_an_event_counts_for_its_actor_and_for_whom_it_acted_and_the_answer_says_so(sqlite_spine: Spine) -> None:
    helper = {"email": "bot@acme.com", "on_behalf_of": {"email": "Ann@acme.com", "id": "usr_1"}}
    scope = recorded(
        sqlite_spine, {"action": "s3.put", "actor": helper}, {"action": "s3.put", "actor": {"email": "ann@acme.com"}}
    )
    query = filter_of("action", "s3.put")
    counted = sqlite_spine.finder.facets(scope, query, "user")
    assert counted["values"] == [{"value": "Ann@acme.com", "count": 2}, {"value": "bot@acme.com", "count": 1}]
    assert counted["overlapping"]
    assert not sqlite_spine.finder.facets(scope, query, "status")["overlapping"]


@pytest.mark.parametrize("search", ["", "xy", "-zebra"])
def test_events_that_are_read_window_by_window_or_not_stored_are_counted_alike(
    sqlite_spine: Spine, search: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [
        {"action": "s3.put", "actor": {"name": f"N{number % 30}".swapcase() if number % 3 else f"N{number % 30}"},
         "metadata": {"note": "xy"}} for number in range(200)
    ]  # fmt: skip
    scope = recorded(sqlite_spine, *sent)
    query = query_from({"q": [search]}, now=clock.now_us()) if search else Query()
    counted = sqlite_spine.finder.facets(scope, query, "user", limit=40)["values"]
    monkeypatch.setattr(reading, "SHARE_OF_ONE_TRY", 0.0)
    assert sqlite_spine.finder.facets(scope, query, "user", limit=40)["values"] == counted
    assert [one["count"] for one in counted if one["value"].lower().startswith("n")] == [7] * 20 + [6] * 10


def test_more_values_than_can_be_added_up_are_partial(sqlite_spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = recorded(sqlite_spine, *({"action": "s3.put", "actor": {"name": f"n{number}"}} for number in range(30)))
    query = query_from({"q": ["-zebra"]}, now=clock.now_us())
    assert not sqlite_spine.finder.facets(scope, query, "user")["partial"]
    monkeypatch.setattr(reading, "MOST_ROWS", 20)
    assert sqlite_spine.finder.facets(scope, query, "user")["partial"]


def test_the_values_of_an_event_are_those_that_the_engine_counts(sqlite_spine: Spine) -> None:
    sent = {
        "action": "s3.put",
        "actor": {"email": "A@x.y", "id": "a@X.y", "on_behalf_of": {"name": "B"}},
        "resources": [{"type": "bucket", "id": "1", "name": "One"}, {"type": "Bucket", "id": "ONE"}],
        "context": {"ip_address": "::FFFF:10.0.0.1", "session_id": "s", "agent_session_id": "S"},
    }
    scope = recorded(sqlite_spine, sent, shipped=False)
    stored = sqlite_spine.finder.page(scope, filter_of("action", "s3.put"), limit=1).data
    assert not stored
    sqlite_spine.ship()
    for field in FIELDS:
        counts = value_counts.ValueCounts(field)
        where = "org_id = {org:UUID} AND action = 's3.put'"
        counts.add_rows(sqlite_spine.store.rows(value_counts.values_sql(field, where), {"org": str(scope.org_id)}))
        top = sqlite_spine.store.rows(
            value_counts.top_sql(field, where, 10), {"org": str(scope.org_id), "containing": ""}
        )
        assert counts.top(10) == [(usual, number) for _, usual, number in top], field


def test_events_that_the_store_refused_are_counted_too(sqlite_spine: Spine) -> None:
    sent: list[dict[str, object]] = [
        {"action": "s3.put", "actor": {"email": f"{'Uu'[number % 2]}{number % 4 // 2}@x.y"},
         "context": {"ip_address": "::ffff:10.0.0.1" if number % 3 else "10.0.0.1"},
         "resources": [{"type": "a", "id": "1"}, {"type": "A", "name": f"n{number % 3}"}]} for number in range(24)
    ]  # fmt: skip
    whole, half = recorded(sqlite_spine, *sent), recorded(sqlite_spine, *sent[:12])
    query = filter_of("action", "s3.put")
    refused = read_request(
        json.dumps({"events": sent[12:]}).encode(), "application/json", received_at=clock.now_us(),
        recorded_by=half.principal, redacted_keys=frozenset(),
    )  # fmt: skip
    for field in ("user", "resource", "resource_type", "ip", "action"):
        expected = sqlite_spine.finder.facets(whole, query, field)["values"]
        found, complete = reading.count_by_value(
            sqlite_spine.store, half, query, field, 20, Budget(5), aside=[one.record for one in refused]
        )
        assert complete
        assert found == [(one["value"], one["count"]) for one in expected], field


def test_a_completed_text_is_part_of_the_value(sqlite_spine: Spine) -> None:
    scope = recorded(
        sqlite_spine, {"action": "s3.put", "context": {"ip_address": "10.0.0.1"}, "actor": {"email": "Ann@acme.com"}},
        {"action": "s3.put", "context": {"ip_address": "10.9.0.1"}, "actor": {"email": "bob@acme.com"}},
    )  # fmt: skip
    for field, typed, value in (("user", "ANN", "Ann@acme.com"), ("ip", "9.0", "10.9.0.1")):
        values = sqlite_spine.finder.facets(scope, Query(EVERYTHING), field, containing=typed)["values"]
        assert [one["value"] for one in values] == [value]


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 2**128 - 1) | st.integers(0, 2**49), min_size=50, max_size=50))
def test_an_address_has_the_same_key_in_the_engine(store: EventStore, numbers: list[int]) -> None:
    # With few groups of zeros, many, and none, which the engine and Python shorten in different ways.
    masks = (2**128 - 1, ~(0xFFFF << 48), 0xFFFF << 64)
    addresses = [str(IPv6Address(bits & mask)) for bits in numbers for mask in masks]
    key = value_counts.ADDRESS_KEY.format("toIPv6(one)")
    [[keys]] = store.rows(f"SELECT arrayMap(one -> {key}, {{all:Array(String)}})", {"all": addresses})
    assert keys == [value_counts.address_key(one) for one in addresses]
