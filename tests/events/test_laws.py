"""What holds for every request and every event, whoever wrote it."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tallystick.errors import Invalid, TallystickError
from tallystick.events.catalogue import CATALOGUE
from tallystick.events.copies import record_of
from tallystick.events.incoming import Context
from tallystick.events.output import ADDED, event_of, event_of_record
from tallystick.events.prepared import Prepared
from tallystick.events.problems import CODES
from tallystick.events.record import Record, StoredEvent
from tallystick.events.secret_values import SecretNames, is_secret_text
from tallystick.query.own_records import RESERVED
from tallystick.render.json_lines import json_lines
from tests.events.sending import JSON, NDJSON, NOW, REDACTED, SEEDS_EVENT, read, send

API, POLICY = {"type": "project", "id": "prj_1"}, {"type": "policy", "id": "pol_6", "role": "policy"}
LAW = settings(max_examples=60, deadline=None, derandomize=True)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
keys = st.sampled_from(["password", "Set-Cookie", "API_KEY", "secretId", "items", "a", ""]) | texts.filter(
    lambda key: not SecretNames(REDACTED)._find_evidence(key)  # `secretId` stands for those; other names may come up
)
numbers = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
details = st.dictionaries(keys, values, max_size=3)
names = st.none() | texts
types = st.sampled_from([None, "user", "agent", "api_key", "service_account", "system", "anonymous", "support"])


def present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


people = st.fixed_dictionaries({"type": types, "id": names, "email": names, "name": names})
actors = st.builds(
    lambda actor, behalf: present(actor | {"on_behalf_of": behalf}), people, st.none() | people.map(present)
)
resources = st.builds(
    lambda kind, one, other, role: {"type": kind, "id": one} | present({"name": other, "role": role}),
    st.sampled_from(["project", "Bücket", '"']), texts.filter(bool), names, names,
)  # fmt: skip
# One, one as a list, several, or several beside the first of them.
affected = st.one_of(
    st.just({}),
    resources.map(lambda one: {"resource": one}),
    st.lists(resources, max_size=4).map(lambda several: {"resources": several}),
    st.lists(resources, min_size=1, max_size=20).map(lambda several: {"resource": several[0], "resources": several}),
)
contexts = st.fixed_dictionaries({
    "ip_address": st.none() | st.ip_addresses().map(str), "country": st.sampled_from([None, "DE"]),
    "channel": st.sampled_from([None, "mcp"]), "mode": st.sampled_from([None, "autonomous"]),
    **{name: names for name in Context.__struct_fields__ if name not in ("ip_address", "country", "channel", "mode")},
})  # fmt: skip
SENT_ACTIONS = [action for action in list(CATALOGUE)[::20] if not action.startswith(RESERVED)]
single_events = st.fixed_dictionaries(
    {"action": st.sampled_from([*SENT_ACTIONS, "widget.frobbed", "user.login.sso"])},
    optional={
        "description": texts,
        "timestamp": st.sampled_from(["2024-01-15T14:30:45Z", "2023-12-31T23:59:59.99+05:30", "1990-01-01T00:00:00Z"]),
        "status": st.sampled_from(["success", "failed"]),
        "category": st.sampled_from(["authentication", "other"]),
        "severity": st.sampled_from(["info", "critical"]),
        "status_reason": texts,
        "original_action": texts,
        "actor": actors,
        "context": contexts.map(present),
        "changes": details,
        "request": details,
        "response": details,
        "metadata": details,
        "external_id": texts.filter(bool),
    },
)  # fmt: skip
events = st.builds(lambda event, several: event | several, single_events, affected)

fields = st.sampled_from(list(SEEDS_EVENT))
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields | st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)  # fmt: skip
almost = st.builds(lambda event, spoilt: event | spoilt, events, st.dictionaries(fields, anything, max_size=3))


def outcome(body: bytes, content_type: str = JSON) -> list[Prepared] | TallystickError:
    """What was prepared, or one of our own errors; anything else fails the test."""
    try:
        return read(body, content_type)
    except TallystickError as refusal:
        return refusal


def is_answerable(refusal: TallystickError) -> bool:
    return refusal.status in (400, 413, 415, 422) and bool(
        msgspec.json.encode([refusal.code, refusal.detail, refusal.extra])
    )


@LAW
@given(st.binary(max_size=200), st.sampled_from([JSON, NDJSON]))
@example(b"\xef\xbb\xbf", JSON)
@example(b'{"events":[{"action":"a.b"}]}\0', JSON)
@example(b'"\\ud800', NDJSON)
def test_whatever_bytes_come_the_answer_is_events_or_an_error_of_ours(body, content_type):
    answer = outcome(body, content_type)
    assert isinstance(answer, list) or is_answerable(answer)


@LAW
@given(anything | almost | st.lists(almost | anything, max_size=3), st.sampled_from([JSON, NDJSON]))
def test_whatever_json_comes_the_answer_is_events_or_an_error_of_ours(sent, content_type):
    answer = outcome(json.dumps(sent).encode(), content_type)
    assert isinstance(answer, list) or is_answerable(answer)
    if isinstance(answer, Invalid):
        found = answer.extra["errors"]
        assert found
        assert [problem["index"] for problem in found] == sorted(problem["index"] for problem in found)
        assert {problem["code"] for problem in found} <= CODES.keys()


@LAW
@given(st.lists(almost, min_size=1, max_size=3))
def test_the_careful_way_of_reading_decides_as_the_quick_one_does(sent):
    # A backslash before u0000 sends the body the careful way, since it looks like NUL.
    quick = outcome(json.dumps([*sent, {"action": "a.b", "description": "/u0000"}]).encode())
    careful = outcome(json.dumps([*sent, {"action": "a.b", "description": "\\u0000"}]).encode())
    if isinstance(quick, TallystickError) or isinstance(careful, TallystickError):
        assert isinstance(quick, TallystickError)
        assert isinstance(careful, TallystickError)
        assert (quick.code, quick.extra) == (careful.code, careful.extra)
    else:
        assert [parts(one.record) for one in quick[:-1]] == [parts(one.record) for one in careful[:-1]]
        assert [one.digest for one in quick[:-1]] == [one.digest for one in careful[:-1]]


def parts(record: Record) -> tuple[bytes, bytes, bytes, bytes]:
    return record.what, record.target, record.who, record.details


def stored_event(record: Record) -> StoredEvent:
    """The event as it is read from the store, at index 7."""
    return StoredEvent(7, record.id, record.received_at, record.occurred_at, *parts(record), record.seed)


def redacted(value: Any, places: list[str], place: str, names: str = "") -> Any:
    """As it is stored; `names` is "secret" below the name of a secret, and "fact" below that of a fact about one."""
    if isinstance(value, list):
        inside = [(str(position), item, names) for position, item in enumerate(value)]
        return [redacted(item, places, f"{place}.{position}", said) for position, item, said in inside]
    if isinstance(value, dict):
        kept = {}
        for key, item in value.items():
            is_secret = key.lower().replace("-", "").replace("_", "") in REDACTED
            said = "secret" if is_secret else "fact" if names and key == "secretId" else names and "secret"
            is_name = is_secret and not isinstance(item, dict | list)
            kept[key] = redacted(item, places, f"{place}.{key}", "name" if is_name else said)
        return kept
    if isinstance(value, str) and (names == "name" or (names == "secret" and is_secret_text(value, False))):
        places.append(place)
        return "[redacted]"
    return value


@LAW
@given(events)
def test_what_is_stored_is_what_was_sent_but_for_secrets(sent):
    [prepared] = send(sent)
    record = prepared.record
    what, target, who, kept = (json.loads(part) for part in parts(record))
    places: list[str] = []
    expected = {
        name: redacted(sent[name], places, name)
        for name in ("changes", "request", "response", "metadata")
        if name in sent
    }
    expected |= {name: sent[name] for name in ("description", "status_reason", "original_action") if name in sent}
    assert sorted(kept.pop("redacted", [])) == sorted(places)
    assert kept == expected
    several = sent.get("resources") or [sent.get("resource", {})]
    assert target == (several[0] if len(several) == 1 else {"resources": several})
    assert who.get("context") == sent.get("context")
    if "actor" in sent:
        actor = {"type": "user"} | sent["actor"]
        if "on_behalf_of" in actor:
            actor["on_behalf_of"] = {"type": "user"} | actor["on_behalf_of"]
        assert who["actor"] == actor
    assert what["action"] == sent["action"]
    assert all(what[name] == sent[name] for name in ("status", "category", "severity", "external_id") if name in sent)


class Number(str):
    """A number as it stands in JSON."""


def leaves_of(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves_of(f"{path}.{key}", item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves_of(path, item)
    elif value is not None:
        yield path, {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


@LAW
@given(events)
def test_paths_and_values_are_those_of_a_walk_over_what_is_stored(sent):
    [prepared] = send(sent)
    record = prepared.record
    stored = json.loads(record.details, parse_int=Number, parse_float=Number)
    expected = [
        pair for name in ("changes", "request", "response", "metadata") for pair in leaves_of(name, stored.get(name))
    ]
    assert list(zip(record.paths, record.values, strict=True)) == expected


@LAW
@given(events)
def test_the_entry_commits_to_the_four_parts_as_the_ledger_says(sent):
    [prepared] = send(sent)
    record = prepared.record
    commitments = b""
    for number, part in enumerate(parts(record), 1):
        salt = sha256(b"tallystick/salt/v1\0" + bytes([number]) + record.seed).digest()[:16]
        commitments += sha256(b"tallystick/part/v1\0" + bytes([number]) + salt + part).digest()
    event = record.id + record.received_at.to_bytes(8, "big") + commitments
    assert record.entry == sha256(b"tallystick/event/v1\0" + event).digest()
    assert msgspec.msgpack.decode(prepared.frame, type=Record) == record


@LAW
@given(events)
def test_columns_are_copies_of_what_the_parts_say(sent):
    [prepared] = send(sent)
    assert record_of(stored_event(prepared.record), prepared.record.entry) == prepared.record


@LAW
@given(events)
def test_a_line_of_an_export_says_what_an_answer_says(sent):
    [prepared] = send(sent)
    stored = stored_event(prepared.record)
    [line] = json_lines([stored])
    assert json.loads(line) == event_of(stored)


@LAW
@given(events)
def test_what_comes_back_can_be_sent_again_and_is_kept_the_same(sent):
    [first] = send(sent)
    back = event_of_record(first.record, 7)
    [again] = send({name: value for name, value in back.items() if name not in ADDED})
    assert parts(again.record) == parts(first.record)
    assert (again.record.paths, again.record.values) == (first.record.paths, first.record.values)
    assert again.record.occurred_at == first.record.occurred_at <= NOW
    assert event_of_record(again.record, 7) == back | {"id": event_of_record(again.record, 7)["id"]}


@LAW
@given(events.filter(lambda event: "external_id" in event))
def test_a_digest_depends_on_what_was_sent_not_on_how_it_was_written(sent):
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(item) for item in value] if isinstance(value, list) else value

    [one], [other] = send(sent), read(json.dumps(turned(sent), indent=1).encode())
    assert one.digest == other.digest
    [different] = send(sent | {"description": "something else entirely"})
    assert different.digest != one.digest


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({"resources": [API, POLICY]}, {"resource": API, "resources": [API, POLICY]}, True),
        ({"resources": [API]}, {"resource": API}, True),
        ({"resources": [API, POLICY]}, {"resources": [POLICY, API]}, False),
    ],
    ids=["the first given twice", "a list of one", "another order"],
)
def test_the_ways_of_giving_the_same_resources_have_one_digest(one, other, is_same):
    sent = {"action": "a.b", "external_id": "1"}
    [first], [second] = send(sent | one), send(sent | other)
    assert (first.digest == second.digest) == is_same
