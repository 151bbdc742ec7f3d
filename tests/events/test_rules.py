"""The rules for one event, each by the field and the code of its refusal."""

import json
from pathlib import Path

import msgspec
import pytest

from tallystick.clock import rfc3339
from tallystick.errors import TallystickError
from tallystick.events.catalogue import CATEGORIES
from tallystick.events.problems import CODES, MAX_PROBLEMS
from tests.events.sending import NDJSON, NOW, SEEDS_EVENT, at, problem_of, problems, read, send, send_one


def nested(levels: int, *, by_lists: bool = False) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value] if by_lists else {"a": value}
    return value


def test_the_seeds_event_is_taken_whole():
    [prepared] = send(SEEDS_EVENT)
    record = prepared.record
    assert (record.action, record.category, record.status) == ("deployment.failed", "deployments", "failed")
    assert record.occurred_at == at("2024-01-15T14:30:45.12Z")
    assert (record.actor_type, record.actor_id, record.actor_email) == ("user", "usr_456", "sarah@acme.com")
    assert (record.resource_type, record.resource_id, record.resource_name) == (
        "project", "prj_88", "api-infrastructure",
    )  # fmt: skip
    assert (record.ip_address, record.session_id, record.request_id) == ("192.168.1.50", "ses_1", "req_1")
    assert prepared.external_id == "ci-4711"


@pytest.mark.parametrize(
    "action",
    [
        "",
        "user",
        "user.",
        ".login",
        "user..login",
        "User.login",
        "user.lo gin",
        "benützer.login",
        "user.login\n",
        "user-x.login",
        "user/login",
    ],
)
def test_an_action_of_another_form_is_refused(action):
    assert problem_of(action=action) == ("action", "bad_action")


@pytest.mark.parametrize("action", ["a.b", "user.login", "user.login.sso", "x_1.y_2", "1.2", "a." + "b" * 98])
def test_any_action_of_nouns_and_verbs_is_taken(action):
    assert send_one(action=action).record.action == action


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        pytest.param({"action": "a." + "b" * 99}, "action", "too_long", id="a long action"),
        pytest.param({"action": None}, "action", "missing_field", id="no action"),
        pytest.param({"action": 5}, "action", "wrong_type", id="a number for an action"),
        pytest.param({"description": "x" * 501}, "description", "too_long", id="a long description"),
        pytest.param({"description": "x" * 1_000_000}, "description", "too_long", id="a megabyte of description"),
        pytest.param({"external_id": "x" * 129}, "external_id", "too_long", id="a long external id"),
        pytest.param({"actor": {"name": "x" * 1025}}, "actor.name", "too_long", id="a long name"),
        pytest.param({"actor": {"email": "x" * 321}}, "actor.email", "too_long", id="a long e-mail"),
        pytest.param({"actor": "sarah"}, "actor", "wrong_type", id="a text for an actor"),
        pytest.param({"actor": {"type": "robot"}}, "actor.type", "unknown_value", id="an unknown type of actor"),
        pytest.param({"actor": {"foo": 1}}, "actor.foo", "unknown_field", id="an unknown field of an actor"),
        pytest.param(
            {"actor": {"on_behalf_of": {"nam": "x"}}}, "actor.on_behalf_of.nam", "unknown_field", id="two levels down"
        ),
        pytest.param(
            {"actor": {"on_behalf_of": {"on_behalf_of": {}}}}, "actor.on_behalf_of.on_behalf_of", "unknown_field",
            id="nobody stands in for somebody who stands in",
        ),
        pytest.param({"resource": {"id": "1"}}, "resource.type", "missing_field", id="a resource without type"),
        pytest.param({"resource": {"type": "", "id": "1"}}, "resource.type", "missing_field", id="an empty type"),
        pytest.param({"resource": {"type": "t"}}, "resource.id", "missing_field", id="a resource without id or name"),
        pytest.param({"resource": {"type": "t", "id": ""}}, "resource.id", "missing_field", id="an empty id"),
        pytest.param({"resource": {"type": "t" * 101, "id": "1"}}, "resource.type", "too_long", id="a long type"),
        pytest.param({"resource": []}, "resource", "wrong_type", id="a list for a resource"),
        pytest.param({"context": {"ip": "1.2.3.4"}}, "context.ip", "unknown_field", id="an unknown field of a context"),
        pytest.param({"context": True}, "context", "wrong_type", id="true for a context"),
        pytest.param({"status": "maybe"}, "status", "unknown_value", id="an unknown status"),
        pytest.param({"status": ""}, "status", "unknown_value", id="an empty status"),
        pytest.param({"category": "secrets"}, "category", "unknown_value", id="an unknown category"),
        pytest.param({"changes": []}, "changes", "wrong_type", id="a list for changes"),
        pytest.param({"request": "x"}, "request", "wrong_type", id="a text for a request"),
        pytest.param({"response": 422}, "response", "wrong_type", id="a number for a response"),
        pytest.param({"metadata": False}, "metadata", "wrong_type", id="false for metadata"),
        pytest.param({"team": "platform"}, "team", "unknown_field", id="an unknown field"),
        pytest.param({"id": "evt_1"}, "id", "unknown_field", id="a field that only an answer has"),
    ],
)  # fmt: skip
def test_a_field_that_breaks_its_rule_is_named(fields, field, code):
    assert problem_of(**fields) == (field, code)


@pytest.mark.parametrize(
    ("timestamp", "code"),
    [
        ("2024-01-15T14:30:45", "bad_timestamp"),
        ("2024-01-15", "bad_timestamp"),
        ("2016-12-31T23:59:60Z", "bad_timestamp"),
        ("2024-02-30T00:00:00Z", "bad_timestamp"),
        ("yesterday", "bad_timestamp"),
        ("", "bad_timestamp"),
        (1705329045, "wrong_type"),
        ("1970-01-01T00:00:00Z", "timestamp_too_old"),
        ("1989-12-31T23:59:59.999999Z", "timestamp_too_old"),
        ("0001-01-01T00:00:00+14:00", "timestamp_too_old"),
        ("2024-01-16T14:30:50.000001Z", "timestamp_in_future"),
        ("2999-01-01T00:00:00Z", "timestamp_in_future"),
        ("9999-12-31T23:59:59-14:00", "timestamp_in_future"),
    ],
)
def test_a_timestamp_that_cannot_be_kept_is_refused(timestamp, code):
    assert problem_of(timestamp=timestamp) == ("timestamp", code)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2024-01-15T14:30:45Z", "2024-01-15T14:30:45.000000Z"),
        ("2024-01-15T14:30:45.12Z", "2024-01-15T14:30:45.120000Z"),
        ("2024-01-15T16:30:45.120001+02:00", "2024-01-15T14:30:45.120001Z"),
        ("2024-01-15T14:30:45.123456789Z", "2024-01-15T14:30:45.123456Z"),
        ("1990-01-01T00:00:00Z", "1990-01-01T00:00:00.000000Z"),
        ("2024-01-16T14:30:50Z", "2024-01-16T14:30:50.000000Z"),
        (None, "2024-01-15T14:30:50.000000Z"),
    ],
)
def test_a_timestamp_is_kept_to_the_microsecond_in_utc(sent, kept):
    record = send_one(timestamp=sent).record
    assert json.loads(record.what)["timestamp"] == kept
    assert record.occurred_at == at(kept)


@pytest.mark.parametrize(("ahead", "skewed"), [(0, False), (1_000_000, False), (1_000_001, True)])
def test_a_timestamp_ahead_by_more_than_a_second_is_marked(ahead, skewed):
    assert send_one(timestamp=rfc3339(NOW + ahead)).clock_skew is skewed


@pytest.mark.parametrize("text", ["192.168.1.50", "2001:db8::1", "::", "::ffff:10.0.0.1", "0.0.0.0"])
def test_an_address_is_kept_as_it_was_written(text):
    assert send_one(context={"ip_address": text}).record.ip_address == text


@pytest.mark.parametrize(
    "text", ["10.0.0.1:443", "[::1]", "fe80::1%eth0", "10.0.0", "010.0.0.1", "localhost", " 10.0.0.1", "x" * 1000]
)
def test_what_is_no_address_is_refused(text):
    assert problem_of(context={"ip_address": text}) == ("context.ip_address", "bad_ip")


@pytest.mark.parametrize("by_lists", [False, True], ids=["objects", "lists"])
def test_twenty_levels_are_taken_and_twenty_one_refused(by_lists):
    # The event and its changes are the first two.
    assert send_one(changes={"a": nested(18, by_lists=by_lists)}).record.values == ("1",)
    field, code = problem_of(changes={"a": nested(19, by_lists=by_lists)})
    assert code == "too_deep"
    assert field.startswith("changes.a.")


def test_events_too_deep_for_the_stack_are_refused_as_well():
    for levels in range(850, 1010, 7):
        with pytest.raises(TallystickError) as refusal:
            read(b'{"action":"a.b","changes":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}")
        assert refusal.value.code in ("invalid_event", "too_deep")


def test_an_event_takes_at_most_64_kibibytes_as_stored():
    record = send_one(metadata={"x": ""}).record
    room = 64 * 1024 - sum(map(len, (record.what, record.target, record.who, record.details)))
    assert send_one(metadata={"x": "y" * room}).record.values == ("y" * room,)
    assert problem_of(metadata={"x": "y" * (room + 1)}) == ("", "event_too_large")
    assert problem_of(metadata={"x": "é" * (room // 2 + 1)}) == ("", "event_too_large")


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        pytest.param({"x": "y" * 1_000_000}, "", "event_too_large", id="a megabyte in a value"),
        pytest.param({"y" * 1_000_000: 1}, "changes", "path_too_long", id="a megabyte in a key"),
        pytest.param({"k" * 900: {"l" * 200: 1}}, "changes." + "k" * 92 + "…", "path_too_long", id="a long path"),
        pytest.param({"k" * 1000: [1] * 20_000}, "", "event_too_large", id="a long key over many values"),
        pytest.param({"x": [1] * 40_000}, "changes.x", "too_many_values", id="too many values"),
        pytest.param({"x": [[]] * 40_000}, "changes.x", "too_many_values", id="too many lists"),
    ],
)
def test_what_would_multiply_is_refused(changes, field, code):
    assert problem_of(changes=changes) == (field, code)


@pytest.mark.parametrize(
    ("json_text", "field", "code"),
    [
        (rb'"description":"a\u0000b"', "description", "nul_character"),
        (rb'"metadata":{"a":[1,{"b":"\u0000"}]}', "metadata.a.1.b", "nul_character"),
        (rb'"metadata":{"a\u0000":1}', "metadata.a\\u0000", "nul_character"),
        (rb'"actor":{"name":"\u0000"}', "actor.name", "nul_character"),
        (rb'"description":"\ud800"', "description", "lone_surrogate"),
        (rb'"description":"\ud800\u0041"', "description", "lone_surrogate"),
        (rb'"metadata":{"a":["\udfff"]}', "metadata.a.0", "lone_surrogate"),
        (rb'"metadata":{"\ud800":1}', "metadata.\\ud800", "lone_surrogate"),
        (rb'"metadata":{"a":1e400}', "metadata.a", "number_out_of_range"),
        (rb'"metadata":{"a":-1e400}', "metadata.a", "number_out_of_range"),
        (b'"metadata":{"a":' + b"1" * 5000 + b"}", "metadata.a", "number_out_of_range"),
        (b'"description":' + b"1" * 5000, "description", "wrong_type"),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else None,
)
def test_what_no_store_could_keep_is_named_by_its_place(json_text, field, code):
    assert problems(b'[{"action":"a.b"},{"action":"a.b",' + json_text + b"}]") == [(1, field, code)]


def test_whole_numbers_beyond_64_bits_and_pairs_of_surrogates_are_kept_exactly():
    [prepared] = read(
        rb'{"action":"a.b","metadata":{"n":123456789012345678901234567890,"e":"\ud83d\ude00","b":"\\u0000"}}'
    )
    assert prepared.record.values == ("123456789012345678901234567890", "😀", "\\u0000")


def test_null_is_the_same_as_absent():
    fields = dict.fromkeys(name for name in SEEDS_EVENT if name != "action")
    nothing, null = send_one().record, send_one(**fields).record
    assert (nothing.what, nothing.target, nothing.who, nothing.details) == (
        null.what,
        null.target,
        null.who,
        null.details,
    )


def test_an_empty_text_is_kept_and_stands_for_nothing():
    record = send_one(description="", context={"ip_address": "", "user_agent": ""}, external_id="").record
    assert (record.description, record.ip_address) == ("", "")
    assert b"external_id" not in record.what


def test_every_problem_of_every_event_is_named_in_order_of_index():
    events = [
        {"action": "a.b", "description": 5, "timestamp": "1970-01-01T00:00:00Z", "context": {"ip_address": "here"}},
        {"action": "a.b"},
        {"actoin": "a.b", "resource": {"type": "x"}, "metadata": {"x": "y" * 70_000}},
        "user.login",
        {"action": "NO", "changes": nested(30), "actor": {"type": "x", "foo": 1, "on_behalf_of": {"bar": 1}}},
    ]
    assert problems(msgspec.json.encode({"events": events})) == [
        (0, "description", "wrong_type"),
        (0, "timestamp", "timestamp_too_old"),
        (0, "context.ip_address", "bad_ip"),
        (2, "actoin", "unknown_field"),
        (2, "action", "missing_field"),
        (2, "resource.id", "missing_field"),
        (2, "", "event_too_large"),
        (3, "", "wrong_type"),
        (4, "actor.foo", "unknown_field"),
        (4, "actor.type", "unknown_value"),
        (4, "actor.on_behalf_of.bar", "unknown_field"),
        (4, "changes" + ".a" * 19, "too_deep"),
        (4, "action", "bad_action"),
    ]


def test_no_more_problems_are_listed_than_somebody_could_read():
    found = problems(msgspec.json.encode({f"field_{number}": 1 for number in range(20_000)}))
    assert len(found) == MAX_PROBLEMS


SEVERAL = [{"type": "t", "id": "1", "role": "target"}, {"type": "t", "id": "2"}]


@pytest.mark.parametrize("said", [{}, {"role": "target"}, {"name": ""}])
def test_a_resource_beside_several_may_be_the_first_of_them(said):
    prepared = send_one(resource={"type": "t", "id": "1"} | said, resources=SEVERAL)
    assert json.loads(prepared.record.target) == {"resources": SEVERAL}


@pytest.mark.parametrize("said", [{"role": "policy"}, {"name": "other"}, {"id": "2"}, {"type": "u"}])
def test_a_resource_beside_several_cannot_say_what_the_first_of_them_does_not(said):
    sent = {"action": "a.b", "resource": {"type": "t", "id": "1"} | said, "resources": SEVERAL}
    assert problems(msgspec.json.encode([sent])) == [(0, "resource", "other_resource")]


def test_every_code_that_is_documented_can_be_met():
    deep, long = nested(30), {"k" * 2000: 1}
    body = msgspec.json.encode(
        [
            {"a": 1}, {"action": 5}, {"action": "x"}, {"action": "audit_log.viewed"},
            {"action": "a.b", "status": "x", "description": "x" * 501},
            {"action": "a.b", "timestamp": "x", "context": {"ip_address": "x"}, "changes": deep},
            {"action": "a.b", "timestamp": "1970-01-01T00:00:00Z", "changes": long},
            {"action": "a.b", "timestamp": "2999-01-01T00:00:00Z", "changes": {"x": [1] * 40_000}},
            {"action": "a.b", "metadata": {"x": "y" * 70_000}},
            {"action": "a.b", "resources": [{"type": "t", "id": "1"}] * 21},
            {"action": "a.b", "resources": [{"type": "t", "id": "1"}], "resource": {"type": "t", "id": "2"}},
            {"action": "a.b", "context": {"country": "Germany"}, "external_id": "tsk_" + "0" * 30 + "2C8GjS"},
        ]
    )  # fmt: skip
    lines = rb'{"action":"a.b","metadata":{"a":"\u0000","b":"\ud800","c":1e999}}' + b"\n{"
    met = {code for _, _, code in problems(body) + problems(lines, NDJSON)}
    schemas = {"schema_mismatch", "schema_too_costly"}  # of described actions: tests/actions/test_described_events.py
    assert met == CODES.keys() - {"invalid_event"} - schemas  # the first is for what nobody thought of


def test_every_code_is_explained_in_the_reference():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "event.md").read_text(encoding="utf-8")
    assert [line for code, meaning in CODES.items() if (line := f"| `{code}` | {meaning} |\n") not in page] == []


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_category_that_is_given_wins_over_the_catalogue(category):
    assert send_one(action="user.login", category=category).record.category == category


@pytest.mark.parametrize("country", ["DEU", "D1", "ß", "ıı", "D", "Ж"])
def test_a_country_is_a_code_of_two_letters(country):
    assert problem_of(context={"country": country}) == ("context.country", "bad_country")
    assert json.loads(send_one(context={"country": "de"}).record.who)["context"]["country"] == "DE"
