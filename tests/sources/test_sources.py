"""The facts of other audit logs have a home in the event, and are found there by their qualifiers."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tallystick.clock import now_us
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.grammar import parse
from tests.fixtures.spine import Spine
from tests.sources.every_source import SOURCES, samples_of
from tests.sources.mapping import SourceTable, places_in, snake, value_at

# The qualifier of each field of an event; of a resource and an actor see `facts`.
QUALIFIERS = {
    "action": "action", "status": "status", "severity": "severity", "status_reason": "reason",
    "original_action": "original", "external_id": "external_id", "actor.type": "actor_type",
    "actor.id": "user", "actor.email": "user", "actor.name": "user",
    "actor.on_behalf_of.id": "for", "actor.on_behalf_of.email": "for", "actor.on_behalf_of.name": "for",
    "context.ip_address": "ip", "context.user_agent": "user_agent", "context.request_id": "request",
    "context.session_id": "session", "context.trace_id": "trace", "context.source": "source",
    "context.channel": "channel", "context.account": "account", "context.region": "region",
    "context.country": "country", "context.network": "network", "context.auth_method": "auth",
    "context.credential_id": "credential", "context.agent_session_id": "session", "context.tool": "tool",
}  # fmt: skip
OF_RESOURCE = {"type": "type", "id": "resource", "name": "resource"}
BY_NAME = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)


def facts(event: Mapping[str, Any]) -> Iterator[str]:
    """A search for each fact of the event that has a qualifier."""
    for place, name in QUALIFIERS.items():
        if value := value_at(event, place):
            yield search(name, value)
    for resource in event.get("resources") or [event.get("resource", {})]:
        for place, name in OF_RESOURCE.items():
            if value := resource.get(place):
                yield search(name, value)


def search(name: str, value: str) -> str:
    return f'{name}:"{value}"' if '"' not in value else f"{name}:*{value.rpartition(chr(34))[2]}"


def found_by(spine: Spine, scope: Scope, query: str) -> set[str]:
    page = spine.finder.page(scope, Query(parse(query, now=now_us())), limit=50, count="none")
    return {one.id.hex() for one in page.data}


@BY_NAME
def test_each_fact_of_each_record_is_found_by_its_qualifier(source: SourceTable, sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    samples = samples_of(source)
    events = [source.event_of(sample.record) for sample in samples]
    recorded = sqlite_spine.record(scope, *events).events
    sqlite_spine.ship()
    missing = []
    for sample, event, receipt in zip(samples, events, recorded, strict=True):
        [mine] = found_by(sqlite_spine, scope, f"id:{receipt.id}")
        queries = [*facts(event), *sample.found]
        missing += [query for query in queries if mine not in found_by(sqlite_spine, scope, query)]
    assert missing == []


@BY_NAME
def test_the_ten_records_have_a_value_for_every_rule_of_their_source(source: SourceTable) -> None:
    samples = samples_of(source)
    events = [source.event_of(sample.record) for sample in samples]
    unused = {rule.name for rule in source.fields} - {
        rule.name for rule in source.fields for event in events if value_at(event, rule.name)
    }
    assert (len(samples), unused) == (10, set())


@BY_NAME
def test_what_stays_in_metadata_is_explained_and_nothing_else_is(source: SourceTable) -> None:
    left = {
        place
        for sample in samples_of(source)
        for place in places_in(source.event_of(sample.record).get("metadata", {}))
        if place
    }
    reasons = {place: max(filter(place.startswith, source.kept), key=len, default=None) for place in left}
    assert {place for place, reason in reasons.items() if reason is None} == set()
    assert set(source.kept) == set(reasons.values())


@BY_NAME
def test_no_value_of_a_record_is_lost(source: SourceTable) -> None:
    """Each text of a record is in the event, if only in snake case, unless a rule says with which words it is told."""
    translated = [rule for rule in source.fields if rule.words or rule.name == "severity"]
    told = {place for rule in translated for place in rule.places.split(" | ")}
    for sample in samples_of(source):
        event = source.event_of(sample.record)
        values = {str(value_at(event, place)) for place in places_in(event)} | _texts(event)
        for place in places_in(sample.record):
            value = value_at(sample.record, place)
            if place not in told and isinstance(value, str) and value and "[]" not in place:
                assert {value, snake(value)} & values, (place, value)


def _texts(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return set().union(*map(_texts, value.values()))
    return set().union(*map(_texts, value)) if isinstance(value, list) else {str(value)}
