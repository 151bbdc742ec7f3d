"""Events of described actions: recorded with defaults, checked by a schema, read with a sentence, found by words."""

import json

import pytest

from tallystick.actions import changes
from tallystick.alerts.compiled_rule import CompiledRule
from tallystick.alerts.definition import RuleDefinition
from tallystick.clock import now_us
from tallystick.errors import Invalid
from tallystick.events.action_catalogue import ActionDescription
from tallystick.events.output import event_of
from tallystick.live.channel import Channel
from tallystick.render.csv_lines import CsvLayout, csv_lines
from tallystick.render.json_lines import json_lines
from tallystick.retention import holds
from tallystick.search.action_list import list_actions
from tallystick.search.event_block import EventBlock
from tallystick.search.filters import query_from
from tallystick.search.scan import in_order_of_index, newest_first, read_unstored

ACTION = "invoice.approved"
SENTENCE = "{actor} waved {resource|an invoice} through for {changes.amount}"
EVENT = {
    "action": ACTION,
    "actor": {"name": "Sarah Lin"},
    "resource": {"type": "invoice", "id": "inv_7"},
    "changes": {"amount": 120},
}
SHOWN = "Sarah Lin waved inv_7 through for 120"


def describe(spine, scope, action=ACTION, **given):
    fields = {"category": "workflows", "status": "success", "severity": "high", "sentence": SENTENCE}
    with spine.database.write() as connection:
        changes.describe_action(connection, scope, ActionDescription(action=action, **(fields | given)), now=now_us())
    spine.finder.catalogues.forget(scope.org_id)


def remove(spine, scope):
    with spine.database.write() as connection:
        changes.remove_description(connection, scope, ACTION, now=now_us())
    spine.finder.catalogues.forget(scope.org_id)


def found(spine, scope, **filters):
    query = query_from({name: [value] for name, value in filters.items()}, now=now_us())
    page = spine.finder.page(scope, query, count="exact")
    assert page.total == len(page.data)
    return [event_of(event) for event in page.data]


def test_defaults_apply_to_events_that_give_none(spine):
    scope = spine.organization()
    describe(spine, scope, status="failed")
    spine.record(scope, EVENT, EVENT | {"category": "users", "status": "success", "severity": "low"})
    spine.ship()
    given, default = found(spine, scope, action=ACTION)
    assert [default[name] for name in ("category", "status", "severity")] == ["workflows", "failed", "high"]
    assert [given[name] for name in ("category", "status", "severity")] == ["users", "success", "low"]


def test_events_keep_what_they_were_recorded_with(spine):
    scope = spine.organization()
    spine.record(scope, EVENT)
    describe(spine, scope)
    spine.ship()
    [earlier] = found(spine, scope, action=ACTION)
    assert [earlier[name] for name in ("category", "severity")] == ["other", "info"]
    assert (earlier["known"], earlier["summary"]) == (True, SHOWN)
    remove(spine, scope)
    [earlier] = found(spine, scope, action=ACTION)
    assert (earlier["known"], earlier["summary"]) == (False, f"Sarah Lin did {ACTION} on inv_7")


def test_every_reading_shows_the_sentence(spine):
    scope = spine.organization()
    describe(spine, scope)
    spine.record(scope, EVENT)
    query = query_from({"action": [ACTION]}, now=now_us())
    waiting = [event for block in in_order_of_index(spine.database, spine.store, scope, query, 0, 3) for event in block]
    spine.ship()
    end = spine.size(scope.org_id)
    stored = [event for block in newest_first(spine.database, spine.store, scope, query, end) for event in block]
    stored += spine.finder.block(scope, query, "desc", None, 10).events
    stored += spine.finder.several(scope, [stored[0].id]).values()
    assert [event_of(event)["summary"] for event in [*waiting, *stored]] == [SHOWN] * 4
    assert [json.loads(line)["summary"] for line in json_lines(stored)] == [SHOWN] * 3
    assert csv_lines(stored, CsvLayout("all")).decode().count(SHOWN) == 3


def test_the_words_of_a_sentence_find_its_events(spine):
    scope = spine.organization()
    spine.record(scope, EVENT, {"action": "invoice.paid"}, {"action": "user.login", "actor": {"name": "Bob"}})
    spine.ship()
    assert found(spine, scope, q="waved") == []
    describe(spine, scope)
    for text in ("waved", "WAVED", "wave", '"through for"', "waved invoice", "waved sarah"):
        assert [event["action"] for event in found(spine, scope, q=text)] == [ACTION], text
    for text in ("aved", "way", '"waved inv_7"', '"waved through"', "waved -through"):
        assert found(spine, scope, q=text) == [], text
    assert [event["action"] for event in found(spine, scope, q="signed")] == ["user.login"]
    assert ACTION not in {event["action"] for event in found(spine, scope, q="-waved")}


def test_counts_agree_with_what_the_words_find(spine):
    scope = spine.organization()
    describe(spine, scope)
    spine.record(scope, EVENT, EVENT, {"action": "invoice.paid"})
    spine.ship()
    query = query_from({"q": ["waved"], "action": ["invoice.*"]}, now=now_us())
    assert spine.finder.facets(scope, query, "action")["values"] == [{"value": ACTION, "count": 2}]
    buckets = spine.finder.histogram(scope, query)["buckets"]
    assert sum(one["success"] for one in buckets) == 2
    assert spine.finder.total(scope, query)[0] == 2


def test_live_views_and_rules_follow_descriptions(spine):
    scope = spine.organization()
    spine.record(scope, EVENT)
    [(_, record)] = read_unstored(spine.database, scope, 1, 2)
    block = EventBlock([record])
    channel = Channel(scope, query_from({"q": ["waved"]}, now=now_us()), -1)
    before = spine.finder.catalogues.of(scope.org_id)
    assert channel.selection(before)(block, [0]) == []
    describe(spine, scope)
    after = spine.finder.catalogues.of(scope.org_id)
    assert channel.selection(after)(block, [0]) == [0]
    definition = RuleDefinition(query="waved")
    assert not list(CompiledRule(scope.org_id, definition, before).hits(1, record))
    assert list(CompiledRule(scope.org_id, definition, after).hits(1, record))


SCHEMA = {"properties": {"changes": {"properties": {"amount": {"type": "integer"}}}}}


def test_an_event_that_does_not_fit_is_recorded_with_a_warning(spine):
    scope = spine.organization()
    describe(spine, scope, schema=SCHEMA, mode="warn")
    fits, other = spine.record(scope, EVENT, EVENT | {"changes": {"amount": "much"}}, key="k").events
    assert fits.schema_warnings == ()
    [warning] = other.schema_warnings
    assert (warning.field, warning.code) == ("changes.amount", "schema_mismatch")
    assert not other.duplicate


def test_an_event_that_does_not_fit_is_refused_where_the_description_says_so(spine):
    scope = spine.organization()
    describe(spine, scope, schema=SCHEMA, mode="refuse")
    with pytest.raises(Invalid) as refused:
        spine.record(scope, EVENT, EVENT | {"changes": {"amount": "much"}})
    [problem] = refused.value.extra["errors"]
    assert (problem["index"], problem["field"], problem["code"]) == (1, "changes.amount", "schema_mismatch")
    spine.ship()
    assert found(spine, scope, action=ACTION) == []
    spine.record(scope, EVENT)


def test_checking_beyond_what_a_request_may_cost_is_said_instead_of_done(spine, monkeypatch):
    monkeypatch.setattr("tallystick.events.schema_check.MOST_COST_OF_REQUEST", 50)
    scope = spine.organization()
    describe(spine, scope, schema=SCHEMA, mode="warn")
    first, second = spine.record(scope, EVENT, EVENT | {"changes": {"amount": 1, "note": "x" * 500}}).events
    assert first.schema_warnings == ()
    assert [one.code for one in second.schema_warnings] == ["schema_too_costly"]


def test_the_list_tells_built_in_own_and_seen_actions_apart(spine):
    scope, other = spine.organization(), spine.organization("other")
    describe(spine, scope)
    spine.record(scope, EVENT, {"action": "widget.frobbed"}, {"action": "widget.frobbed"})
    spine.record(other, {"action": "others.action"})
    spine.ship()
    listed = {one.description.action: (one.origin, one.events) for one in list_actions(spine.finder, scope).actions}
    assert listed[ACTION] == ("own", 1)
    assert listed["widget.frobbed"] == ("seen", 2)
    assert listed["user.login"] == ("built_in", 0)
    assert "others.action" not in listed
    assert ACTION not in {one.description.action for one in list_actions(spine.finder, other).actions}


def test_a_hold_keeps_what_its_words_find_in_built_in_sentences_and_what_an_exclusion_left(spine):
    signed_in = {"action": "user.login", "actor": {"name": "Bob"}}
    scope = spine.organization()
    describe(spine, scope)
    spine.record(scope, signed_in, EVENT)
    spine.ship()
    now = now_us()
    for query, number in (("signed", 1), ("-signed action:user.login", 1), ("waved action:invoice.*", 0)):
        assert holds.count(spine.store, scope, query, "", "", now=now)[0] == number, query
