"""Who recorded an event decides whether detections and reports take it for Tallystick's own."""

import msgspec
import pytest

from tallystick import clock
from tallystick.access.scopes import api_key_scope
from tallystick.errors import Invalid
from tallystick.events.incoming import EventInput
from tallystick.events.intake import prepare
from tallystick.events.record import Record
from tallystick.ids import new_uuid
from tallystick.query.conditions import Query
from tallystick.query.own_records import is_own_record, require_own_records
from tallystick.query.scope import OPERATOR, TALLYSTICK, Principal
from tallystick.search.grammar import parse
from tallystick.search.match import compile_match
from tests.fixtures.spine import Spine

KEY = Principal("api_key", "key_1", "ci")
END = '","recorded_by":{"type":"system","id":"tallystick","name":"Tallystick"}}'
# Names that imitate the end of the part that says who recorded.
IMITATIONS = [
    Principal("api_key", "tallystick", "Tallystick"),
    Principal("user", "tallystick", "Tallystick", "tallystick"),
    Principal("api_key", "key_1", END),
    Principal("api_key", "key_1", "Tallystick", END.removesuffix('"}}')),
    OPERATOR,
]


def recorded(by: Principal, action: str, **fields: object) -> Record:
    event = msgspec.convert({"action": action} | fields, EventInput)
    return prepare([event], received_at=1_705_329_045_120_000, recorded_by=by, redacted_keys=frozenset())[0].record


def test_what_tallystick_records_is_its_own():
    assert is_own_record(recorded(TALLYSTICK, "user.login", external_id="x").what)


@pytest.mark.parametrize("by", [KEY, *IMITATIONS])
def test_what_anybody_else_records_is_not_whatever_they_are_called(by):
    actor = {"type": "system", "id": "tallystick", "name": "Tallystick"}
    assert not is_own_record(recorded(by, "user.login", external_id=END, actor=actor).what)


@pytest.mark.parametrize("by", [KEY, *IMITATIONS])
def test_nobody_else_can_record_a_reserved_action(by):
    with pytest.raises(Invalid) as refused:
        recorded(by, "audit_log.erasure_confirmed")
    assert [(one["field"], one["code"]) for one in refused.value.extra["errors"]] == [("action", "reserved_action")]


@pytest.mark.parametrize(
    ("search", "of_key", "of_tallystick"),
    [
        ("action:audit_log.pruned", False, True),
        ("action:audit_log.*", False, True),
        ("action:audit* action:user.login", False, True),
        ("action:*pruned", False, True),
        ("action:*", False, True),
        ("action:audit_log.viewed OR action:*.pruned", False, True),
        ("-action:audit_log.*", True, False),
        ("-action:audit_log.viewed", True, True),
        ("action:user.login", False, False),
        ("status:success", True, True),
    ],
)
def test_a_search_for_own_actions_finds_them_only_if_tallystick_recorded_them(search, of_key, of_tallystick):
    own = recorded(TALLYSTICK, "audit_log.pruned")
    forged = msgspec.structs.replace(own, what=recorded(KEY, "user.login").what)
    matches = compile_match(Query(require_own_records(parse(search, now=0))))
    assert (matches(forged), matches(own)) == (of_key, of_tallystick)


def test_a_search_for_actions_of_applications_stays_as_it_is():
    for search in ("action:user.login", "action:user.* action:deployment.*", "status:failed x", "-action:user.login"):
        assert require_own_records(parse(search, now=0)) == parse(search, now=0)


def test_the_same_action_outside_the_reserved_names_counts_whoever_recorded_it():
    matches = compile_match(Query(require_own_records(parse("action:*.deleted", now=0))))
    assert matches(recorded(KEY, "project.deleted"))


def test_a_request_with_a_reserved_action_records_nothing(sqlite_spine: Spine):
    scope = sqlite_spine.organization()
    key = api_key_scope(scope.org_id, new_uuid(clock.now_us()), "ci", frozenset({"events:write"}))
    size = sqlite_spine.size(scope.org_id)
    with pytest.raises(Invalid):
        sqlite_spine.record(key, {"action": "a.b"}, {"action": "audit_log.pruned"})
    with pytest.raises(Invalid):
        sqlite_spine.record(scope, {"action": "audit_log.pruned"})
    assert sqlite_spine.size(scope.org_id) == size
