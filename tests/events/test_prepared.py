"""What intake fills in, and what it makes for the ledger and the journal."""

import json
import uuid

import msgspec
import pytest

from tallystick import ids
from tallystick.errors import Invalid
from tallystick.events.incoming import Actor, EventInput
from tallystick.events.intake import prepare
from tallystick.events.record import Record
from tallystick.query.scope import Principal
from tests.events.sending import JSON, KEY, NOW, REDACTED, SEEDS_EVENT, read, send, send_one


def own(*events: EventInput, by: Principal = KEY):
    return prepare(events, received_at=NOW, recorded_by=by, redacted_keys=REDACTED)


def test_the_four_parts_are_the_documented_bytes():
    record = send(SEEDS_EVENT)[0].record
    assert record.what == (
        b'{"action":"deployment.failed","category":"deployments","status":"failed",'
        b'"severity":"medium","timestamp":"2024-01-15T14:30:45.120000Z","external_id":"ci-4711",'
        b'"recorded_by":{"type":"api_key","id":"key_01hm6rsan500000000000000aa","name":"ci"}}'
    )
    assert record.target == b'{"type":"project","id":"prj_88","name":"api-infrastructure"}'
    assert record.who == (
        b'{"actor":{"type":"user","id":"usr_456","email":"sarah@acme.com","name":"Sarah Lin"},'
        b'"context":{"ip_address":"192.168.1.50","user_agent":"Chrome/120.0","request_id":"req_1",'
        b'"session_id":"ses_1","trace_id":"trc_1","source":"api"}}'
    )
    assert record.details == (
        b'{"description":"terraform apply","changes":{"error":"Policy violation: S3 encryption required",'
        b'"resources_planned":5,"resources_applied":2},"request":{"deployment_id":"dep_789","trigger":"manual"},'
        b'"response":{"status":422},"metadata":{"team":"platform"}}'
    )


def test_absent_parts_are_empty_objects():
    record = send_one().record
    assert (record.target, record.details) == (b"{}", b"{}")


def test_paths_leave_list_positions_out_and_values_are_as_people_see_them():
    record = send_one(
        changes={"role": {"before": "member", "after": "admin"}, "mfa": True, "limit": None, "quota": 1.50},
        request={"steps": [{"name": 'say "hi"\n'}, {"name": "☃"}], "ids": [1, [2, -3]], "none": {}, "empty": ""},
    ).record
    assert list(zip(record.paths, record.values, strict=True)) == [
        ("changes.role.before", "member"),
        ("changes.role.after", "admin"),
        ("changes.mfa", "true"),
        ("changes.quota", "1.5"),
        ("request.steps.name", 'say "hi"\n'),
        ("request.steps.name", "☃"),
        ("request.ids", "1"),
        ("request.ids", "2"),
        ("request.ids", "-3"),
        ("request.empty", ""),
    ]


def test_without_an_actor_the_recording_key_is_the_actor():
    record = send_one().record
    assert (record.actor_type, record.actor_id, record.actor_name) == ("api_key", KEY.id, "ci")


def test_a_person_who_records_is_named_with_the_e_mail():
    sarah = Principal("user", "usr_1", "Sarah Lin", "sarah@acme.com")
    [prepared] = read(b'{"action":"a.b"}', by=sarah)
    expected = {"type": "user", "id": "usr_1", "name": "Sarah Lin", "email": "sarah@acme.com"}
    assert json.loads(prepared.record.what)["recorded_by"] == expected
    assert json.loads(prepared.record.who) == {"actor": expected}


def test_an_actor_without_type_is_a_user():
    record = send_one(actor={"email": "sam@acme.com", "on_behalf_of": {"name": "Sarah"}}).record
    assert json.loads(record.who)["actor"] == {
        "type": "user", "email": "sam@acme.com", "on_behalf_of": {"type": "user", "name": "Sarah"},
    }  # fmt: skip
    assert record.behalf_name == "Sarah"


@pytest.mark.parametrize(
    ("action", "category", "status"),
    [
        ("user.login", "authentication", "success"),
        ("user.login_failed", "authentication", "failed"),
        ("user.invited", "users", "success"),
        ("deployment.failed", "deployments", "failed"),
        ("project.frobbed", "projects", "success"),
        ("widget.frobbed", "other", "success"),
    ],
)
def test_category_and_status_come_from_the_catalogue(action, category, status):
    record = send_one(action=action).record
    assert (record.category, record.status) == (category, status)


def test_ids_are_uuids_of_version_7_with_the_time_of_receipt_and_never_the_same():
    prepared = send(*[{"action": "a.b"}] * 1000)
    raw = [one.record.id for one in prepared]
    assert len(set(raw)) == 1000
    assert len({one.record.seed for one in prepared}) == 1000
    assert {(uuid.UUID(bytes=one).version, uuid.UUID(bytes=one).variant) for one in raw} == {(7, uuid.RFC_4122)}
    assert {ids.milliseconds_of(one) for one in raw} == {NOW // 1000}
    assert all(len(one.record.seed) == 16 for one in prepared)


def test_the_frame_is_the_record_in_messagepack():
    [prepared] = send(SEEDS_EVENT)
    assert msgspec.msgpack.decode(prepared.frame, type=Record) == prepared.record


def test_only_an_event_with_an_external_id_has_a_digest():
    assert send_one().digest == b""
    assert len(send_one(external_id="ci-1").digest) == 32


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param({}, {"description": None}, True, id="null and absent"),
        pytest.param({"changes": {"a": 1, "b": 2}}, {"changes": {"b": 2, "a": 1}}, True, id="the order of keys"),
        pytest.param(
            {"timestamp": "2024-01-15T14:30:45Z"}, {"timestamp": "2024-01-15T15:30:45.000+01:00"}, True, id="the zone"
        ),
        pytest.param({"changes": {"password": "a"}}, {"changes": {"password": "b"}}, True, id="what was redacted"),
        pytest.param({"changes": {"a": [1, 2]}}, {"changes": {"a": [2, 1]}}, False, id="the order of a list"),
        pytest.param({"changes": {"a": 1}}, {"changes": {"a": "1"}}, False, id="a number and a text"),
        pytest.param({}, {"timestamp": "2024-01-15T14:30:50Z"}, False, id="a timestamp that was given"),
    ],
)
def test_a_digest_tells_whether_the_same_was_sent(one, other, same):
    assert (send_one(external_id="x", **one).digest == send_one(external_id="x", **other).digest) is same


def test_who_records_and_when_is_not_part_of_the_digest():
    event = b'{"action":"a.b","external_id":"x"}'
    assert read(event)[0].digest == read(event, by=Principal("user", "usr_1", "Sarah"))[0].digest


def test_events_of_this_process_are_prepared_like_any_other():
    event = EventInput("user.login", actor=Actor("user", "usr_1"), changes={"password": "x"})
    [prepared] = own(event)
    assert prepared.record.values == ("[redacted]",)
    assert event.changes == {"password": "x"}


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (EventInput("user.login", description="a\0b"), "nul_character"),
        (EventInput("user.login", metadata={"a": ["\ud800"]}), "lone_surrogate"),
        (EventInput("user.login", description="x" * 501), "too_long"),
        (EventInput("login"), "bad_action"),
    ],
)
def test_events_of_this_process_keep_the_rules_too(event, code):
    with pytest.raises(Invalid) as refusal:
        own(event)
    assert [problem["code"] for problem in refusal.value.extra["errors"]] == [code]


def test_a_request_of_which_one_event_is_bad_prepares_none():
    with pytest.raises(Invalid):
        read(b'[{"action":"a.b"},{"action":"NO"},{"action":"a.b"}]', JSON)
