"""What the trail says of those who read it: never nothing, and never more than a few lines."""

import uuid
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from tallystick.access.audit import Caller
from tallystick.access.scopes import api_key_scope, person_scope, user_principal
from tallystick.clock import DAY_US, SECOND_US, rfc3339
from tallystick.data_access import recorder as data_access
from tallystick.data_access.counts import GRACE_US, HOUR_US
from tallystick.data_access.open_views import MOST_FILTER
from tallystick.data_access.recorder import MOST_AT_ONCE, DataAccessRecorder, is_read_of
from tallystick.data_access.setting import read_view_recording, set_view_recording
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, Forbidden
from tallystick.events.incoming import EventInput
from tallystick.events.intake import prepare
from tallystick.outbox import write as outbox
from tallystick.query.scope import TALLYSTICK
from tallystick.search.paging import as_stored_event
from tests.fixtures.spine import Spine

START = 1_790_000_000 * SECOND_US // DAY_US * DAY_US  # midnight UTC
OFFICE = Caller("192.0.2.7", "192.0.2.7", "Firefox", "web")


class Desk:
    """A recorder whose clock a test moves, and what it wrote."""

    def __init__(self, spine: Spine) -> None:
        self.spine = spine
        self.scope = spine.organization()
        self.now = START
        self.recorder = DataAccessRecorder(spine.database, lambda: None)

    def at(self, seconds: float) -> None:
        """The clock, and a step of the worker."""
        self.now = START + round(seconds * SECOND_US)
        self.recorder.step(self.now)

    def person(self, name: str = "maya", role: Any = "auditor") -> Any:
        who = uuid.uuid5(uuid.NAMESPACE_DNS, name)
        return person_scope(self.scope.org_id, user_principal(who, f"{name}@acme.com", name), role)

    def key(self, number: int = 1) -> Any:
        return api_key_scope(self.scope.org_id, uuid.UUID(int=number), "ci", frozenset({"events:read"}))

    def look(self, q: str, seconds: float, who: Any = None, **more: Any) -> None:
        """Somebody looks at a search at this time."""
        self.now = START + round(seconds * SECOND_US)
        self.recorder.note_list(who or self.person(), OFFICE, {"q": [q]}, **more)

    def told(self) -> list[dict[str, Any]]:
        """What went to the outbox since the last call."""
        with self.spine.database.write() as connection:
            entries = outbox.take(connection, self.scope.org_id, 10_000)
            outbox.delete(connection, entries)
        return [dict(entry.event) for entry in entries]

    def searches(self) -> list[str]:
        return [event["metadata"]["filter"].get("q", [""])[0] for event in self.told()]


@pytest.fixture
def desk(sqlite_spine: Spine) -> Iterator[Desk]:
    made = Desk(sqlite_spine)
    made.told()
    with patch.object(data_access.clock, "now_us", lambda: made.now):
        yield made


def test_a_search_that_stays_for_five_seconds_is_recorded_with_its_reader_and_filter(desk: Desk) -> None:
    desk.recorder.note_list(desk.person(), OFFICE, {"q": ["deploy "], "status": ["failed"]}, found="12 events")
    desk.at(4.9)
    assert desk.told() == []
    desk.at(5)
    [event] = desk.told()
    assert event["action"] == "audit_log.viewed"
    assert event["actor"]["email"] == "maya@acme.com"
    assert event["context"]["ip_address"] == "192.0.2.7"
    assert event["metadata"] == {"filter": {"q": ["deploy"], "status": ["failed"]}, "found": "12 events"}
    assert event["timestamp"] == rfc3339(START)


def test_what_is_typed_on_the_way_is_not_recorded_but_counted(desk: Desk) -> None:
    for place, typed in enumerate(["d", "de", "dep", "deploy"]):
        desk.look(typed, place)
    desk.at(20)
    [event] = desk.told()
    assert event["metadata"] == {"filter": {"q": ["deploy"]}, "passed": 3}


def test_whoever_never_rests_is_recorded_all_the_same(desk: Desk) -> None:
    for second in range(0, 100, 2):
        desk.look(f"search {second}", second)
        desk.at(second)
    assert 3 <= len(desk.told()) <= 5


def test_the_same_search_of_one_person_is_recorded_once_in_ten_minutes(desk: Desk) -> None:
    for seconds in range(0, 599, 30):
        desk.look("deploy" if seconds % 60 else " deploy", seconds)
        desk.at(seconds + 6)
    desk.look("deploy", 700)
    desk.at(706)
    assert desk.searches() == ["deploy", "deploy"]


def test_other_people_other_searches_and_other_organizations_are_recorded_themselves(desk: Desk) -> None:
    for who, q in (("maya", "a"), ("john", "a"), ("maya", "b")):
        desk.look(q, 0, desk.person(who))
        desk.at(10)
    assert len(desk.told()) == 3


@pytest.mark.parametrize("role", ["owner", "admin", "auditor", "member"])
def test_it_is_recorded_for_every_role(desk: Desk, role: str) -> None:
    desk.look("deploy", 0, desk.person(role=role))
    desk.at(6)
    assert desk.searches() == ["deploy"]


def test_an_opened_event_is_recorded_by_its_id_at_once_and_once_in_ten_minutes(desk: Desk) -> None:
    for seconds in (0, 1, 300, 601):
        desk.now = START + seconds * SECOND_US
        desk.recorder.note_event(desk.person(), OFFICE, "evt_1")
        desk.at(seconds)
    events = desk.told()
    assert [event["action"] for event in events] == ["audit_log.event_viewed"] * 2
    assert events[0]["resource"] == {"type": "event", "id": "evt_1"}


def test_counts_and_values_beside_a_list_add_nothing_to_it(desk: Desk) -> None:
    desk.look("deploy", 0)
    desk.look("deploy", 1, found="12 events", is_supplement=True)
    desk.look("depl", 2, is_supplement=True)
    desk.at(6)
    [event] = desk.told()
    assert event["metadata"] == {"filter": {"q": ["deploy"]}, "found": "12 events"}


def test_values_of_another_filter_than_the_open_lists_are_a_view_of_their_own(desk: Desk) -> None:
    desk.look("nothing", 0)
    desk.at(6)
    desk.told()
    desk.look("nothing", 10)
    desk.look("user:ceo@acme.com", 11, is_supplement=True)
    desk.look("nothing", 12)
    desk.at(30)
    assert desk.searches() == ["user:ceo@acme.com"]


def test_values_of_the_filter_before_that_come_late_add_nothing(desk: Desk) -> None:
    desk.look("depl", 0)
    desk.look("deploy", 1)
    desk.look("depl", 2, is_supplement=True)
    desk.at(30)
    assert desk.searches() == ["deploy"]


def test_counts_that_come_before_their_list_add_nothing_to_it(desk: Desk) -> None:
    desk.look("deploy", 0, is_supplement=True)
    desk.look("deploy", 1)
    desk.at(30)
    assert desk.searches() == ["deploy"]


def test_a_filter_that_was_replaced_is_counted_also_by_one_that_was_recorded_just_now(desk: Desk) -> None:
    for is_supplement in (False, True):
        desk.look(f"nothing {is_supplement}", 0, is_supplement=is_supplement)
        desk.at(6)
        desk.told()
        desk.look("user:ceo@acme.com", 10, is_supplement=is_supplement)
        desk.look(f"nothing {is_supplement}", 11, is_supplement=is_supplement)
        desk.at(30)
        [event] = desk.told()
        assert event["metadata"]["passed"] == 1


def test_values_alone_are_a_view_too(desk: Desk) -> None:
    desk.look("deploy", 0, is_supplement=True)
    desk.at(6)
    assert desk.searches() == ["deploy"]


def test_nobody_floods_the_trail_by_looking(desk: Desk) -> None:
    for number in range(1000):
        desk.recorder.note_event(desk.person(), OFFICE, f"evt_{number}")
    desk.at(1)
    assert len(desk.told()) == MOST_AT_ONCE
    desk.at((HOUR_US + GRACE_US) / SECOND_US - 1)
    assert desk.told() == []
    desk.at((HOUR_US + GRACE_US) / SECOND_US + 61)
    [event] = desk.told()
    assert (event["action"], event["metadata"]["views"]) == ("audit_log.viewed", 1000 - MOST_AT_ONCE)
    assert event["actor"]["email"] == "maya@acme.com"


def test_what_is_read_after_a_flood_is_recorded_all_the_same(desk: Desk) -> None:
    for number in range(1000):
        desk.recorder.note_event(desk.person(), OFFICE, f"evt_{number}")
    desk.at(1)
    desk.told()
    for minute in range(1, 60):
        desk.now = START + minute * 60 * SECOND_US
        desk.recorder.note_event(desk.person(), OFFICE, f"evt_secret_{minute}")
        desk.at(minute * 60)
    assert len(desk.told()) == 59


def test_memory_is_bounded_whoever_looks_at_whatever(desk: Desk) -> None:
    with patch.object(data_access, "MOST_WAITING", 50):
        for number in range(1000):
            desk.recorder.note_event(desk.person(), OFFICE, f"evt_{number}")
        assert len(desk.recorder._rested) == 50
        desk.at(11)
        desk.at((HOUR_US + GRACE_US) / SECOND_US + 61)
    events = desk.told()
    assert events[-1]["metadata"]["views"] == 950


def test_a_step_goes_through_what_limits_readers_once_however_many_views_it_writes(desk: Desk) -> None:
    with (
        patch.object(data_access, "MOST_WAITING", 50),
        patch.object(data_access, "_current_allowance", wraps=data_access._current_allowance) as allowance,
    ):
        for number in range(150):
            desk.recorder.note_event(desk.person(f"reader-{number}"), OFFICE, "evt_1")
            if number % 50 == 49:
                desk.at(number)
    assert allowance.call_count <= 150 + 50 + 100


def test_the_requests_of_a_key_are_one_count_a_day(desk: Desk) -> None:
    for minute in range(0, 1440, 10):
        desk.now = START + minute * 60 * SECOND_US
        desk.recorder.note_request(desk.key(), "198.51.100.9")
        desk.at(minute * 60)
    assert desk.told() == []
    desk.at((DAY_US + GRACE_US) / SECOND_US + 1)
    [event] = desk.told()
    assert event["action"] == "audit_log.viewed"
    assert event["actor"] == {"type": "api_key", "id": desk.key().principal.id, "name": "ci"}
    assert event["context"]["ip_address"] == "198.51.100.9"
    assert event["metadata"]["requests"] == 144
    assert (event["metadata"]["since"], event["metadata"]["until"]) == (rfc3339(START), rfc3339(START + DAY_US))
    desk.at(2 * DAY_US / SECOND_US)
    assert desk.told() == []


def test_counts_outlive_the_process(desk: Desk) -> None:
    for _ in range(2):
        desk.recorder.note_request(desk.key(), "")
        desk.recorder.note_request(desk.key(2), "")
        desk.recorder.close()
        desk.recorder = DataAccessRecorder(desk.spine.database, lambda: None)
    desk.at((DAY_US + GRACE_US) / SECOND_US + 61)
    assert [event["metadata"]["requests"] for event in desk.told()] == [2, 2]


def test_what_is_open_when_the_server_stops_is_recorded(desk: Desk) -> None:
    desk.look("deploy", 0)
    desk.recorder.close()
    assert desk.searches() == ["deploy"]


def test_nothing_noted_is_lost_while_the_database_is_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.look("deploy", 0)
    desk.recorder.note_request(desk.key(), "")
    with monkeypatch.context() as broken:
        broken.setattr(Database, "write", lambda _: (_ for _ in ()).throw(OSError("away")))
        with pytest.raises(OSError, match="away"):
            desk.at(11)
    desk.at(12)
    assert desk.searches() == ["deploy"]
    desk.at((DAY_US + GRACE_US) / SECOND_US + 61)
    assert [event["metadata"]["requests"] for event in desk.told()] == [1]


def test_a_stream_is_recorded_at_once_with_its_filter(desk: Desk) -> None:
    desk.recorder.record_stream(desk.key(), OFFICE, {"user": ["jo@acme.com"], "q": []}, "text/csv")
    [event] = desk.told()
    assert event["action"] == "audit_log.exported"
    assert event["metadata"] == {"format": "text/csv", "streamed": True, "filter": {"user": ["jo@acme.com"]}}


def test_streams_without_end_are_counted_without_delay_after_the_first_of_an_hour(desk: Desk) -> None:
    for _ in range(MOST_AT_ONCE + 5):
        desk.recorder.record_stream(desk.key(), OFFICE, {}, "text/csv")
    assert len(desk.told()) == MOST_AT_ONCE
    # Not from memory: another process goes on.
    desk.recorder = DataAccessRecorder(desk.spine.database, lambda: None)
    desk.at((HOUR_US + GRACE_US) / SECOND_US + 61)
    [event] = desk.told()
    assert (event["action"], event["metadata"]["streams"]) == ("audit_log.exported", 5)


def test_an_organization_chooses_whether_views_of_people_are_recorded(desk: Desk) -> None:
    owner = desk.person("owner", "owner")
    for choice, recorded in (("off", 0), ("every", 3), ("usual", 0)):
        with desk.spine.database.write() as connection:
            set_view_recording(connection, owner, choice, now=START)
        [change] = desk.told()
        assert (change["action"], change["changes"]["views"]["after"]) == ("audit_log.view_recording_changed", choice)
        for seconds in (0, 20, 40):
            desk.look("deploy", seconds)
            desk.at(seconds + 6)
        assert len(desk.told()) == recorded


def test_streams_and_requests_cannot_be_switched_off(desk: Desk) -> None:
    with desk.spine.database.write() as connection:
        set_view_recording(connection, desk.person("owner", "owner"), "off", now=START)
    desk.told()
    desk.recorder.record_stream(desk.key(), OFFICE, {}, "text/csv")
    desk.recorder.note_request(desk.key(), "")
    desk.at(11)
    desk.at((DAY_US + GRACE_US) / SECOND_US + 61)
    assert [event["action"] for event in desk.told()] == ["audit_log.exported", "audit_log.viewed"]


def test_only_an_owner_in_person_changes_it(desk: Desk) -> None:
    key = api_key_scope(desk.scope.org_id, uuid.UUID(int=1), "ci", frozenset({"admin"}))
    for scope, code in (
        (desk.person(role="admin"), "owner_only"), (desk.person(role="auditor"), "missing_permission"),
        (key, "person_required"),
    ):  # fmt: skip
        with desk.spine.database.write() as connection, pytest.raises(Forbidden) as refused:
            set_view_recording(connection, scope, "off", now=START)
        assert refused.value.code == code
    with desk.spine.database.write() as connection, pytest.raises(BadRequest):
        set_view_recording(connection, desk.person(role="owner"), "never", now=START)
    with desk.spine.database.read() as connection:
        assert read_view_recording(connection, desk.scope.org_id) == "usual"
    assert desk.told() == []


def test_the_setting_of_one_organization_is_no_other_ones(desk: Desk) -> None:
    other = desk.spine.organization("charlie")
    with desk.spine.database.write() as connection:
        set_view_recording(connection, desk.person("owner", "owner"), "off", now=START)
        assert read_view_recording(connection, other.org_id) == "usual"


def test_no_value_of_a_filter_is_hidden_by_others_however_long(desk: Desk) -> None:
    padding = [f"{number}{'x' * 300}" for number in range(99)]
    desk.recorder.note_list(desk.person(), OFFICE, {"user": [*padding, "zoe@acme.com"], "q": ["y" * 100_000 + "end"]})
    desk.at(6)
    [event] = desk.told()
    recorded = event["metadata"]["filter"]
    assert "zoe@acme.com" in recorded["user"]
    assert len(recorded["user"]) == 100
    assert recorded["q"][0].endswith("yend")
    assert len(msgspec.json.encode(recorded)) <= MOST_FILTER


def test_the_record_of_the_longest_filter_fits_into_an_event(desk: Desk) -> None:
    given = {name: ["\x01" * 40] * 100 + ["a" * 5000] for name in ("user", "action", "ip", "q", "resource")}
    desk.recorder.record_stream(desk.key(), OFFICE, given, "text/csv")
    [event] = desk.told()
    recorded = event["metadata"]["filter"]
    assert len(msgspec.json.encode(recorded)) <= MOST_FILTER
    assert all(values[-1].startswith("(and ") for values in recorded.values())


def test_a_reader_knows_the_records_of_its_own_reading() -> None:
    key, other = uuid.UUID(int=1), uuid.UUID(int=2)
    mine, others = (api_key_scope(uuid.UUID(int=9), one, "ci", frozenset()).principal for one in (key, other))

    def stored(action: str, actor: Any, by: Any = TALLYSTICK) -> Any:
        event = msgspec.convert({"action": action, "actor": {"type": actor.kind, "id": actor.id}}, EventInput)
        [one] = prepare([event], received_at=START, recorded_by=by, redacted_keys=frozenset())
        return as_stored_event(7, one.record)

    assert is_read_of(mine, stored("audit_log.exported", mine))
    assert is_read_of(mine, stored("audit_log.viewed", mine))
    assert not is_read_of(mine, stored("audit_log.exported", others))
    assert not is_read_of(mine, stored("audit_log.export_failed", mine))
    assert not is_read_of(mine, stored("user.login", mine, by=mine))
