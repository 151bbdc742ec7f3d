"""The commit: indexes, duplicates, keys."""

import pytest
from sqlalchemy import func, select

from tallystick.clock import DAY_US, now_us
from tallystick.errors import Conflict, TallystickError, Unavailable
from tallystick.ingest.commit import IDEMPOTENCY_DAYS, forget_old_keys
from tallystick.ingest.tables import idempotency_keys
from tallystick.ledger import check
from tallystick.ledger.log import LedgerDamaged
from tallystick.outbox import write as outbox
from tallystick.search.scan import read_unstored
from tests.fixtures.spine import Spine

LOGIN = {"action": "user.login", "actor": {"id": "usr_1", "email": "alice@example.com"}}


def event(number: int, **more: object) -> dict[str, object]:
    return {**LOGIN, "metadata": {"number": number}, **more}


def test_the_events_of_a_request_get_consecutive_indexes_in_order(spine: Spine) -> None:
    scope = spine.organization()
    first = spine.size(scope.org_id)
    answers = [spine.begin(scope, *(event(n) for n in range(5))) for _ in range(20)]
    starts = sorted(answer.result(30).events[0].index for answer in answers)
    assert starts == list(range(first, first + 100, 5))
    for answer in answers:
        indexes = [one.index for one in answer.result().events]
        assert indexes == list(range(indexes[0], indexes[0] + 5))


def test_an_external_id_sent_again_answers_the_first_event(spine: Spine) -> None:
    scope = spine.organization()
    one = spine.record(scope, event(1, external_id="ci-1", timestamp="2024-01-15T14:30:45Z"))
    size = spine.size(scope.org_id)
    again = spine.record(scope, event(1, external_id="ci-1", timestamp="2024-01-15T14:30:45Z"))
    assert again.events[0].id == one.events[0].id
    assert again.events[0].index == one.events[0].index
    assert again.events[0].timestamp == one.events[0].timestamp
    assert again.events[0].duplicate
    assert not again.events[0].conflict
    assert spine.size(scope.org_id) == size


def test_other_content_under_a_known_external_id_is_called_a_conflict(spine: Spine) -> None:
    scope = spine.organization()
    spine.record(scope, event(1, external_id="ci-1"))
    again = spine.record(scope, event(2, external_id="ci-1"))
    assert again.events[0].duplicate
    assert again.events[0].conflict


def test_an_external_id_twice_in_one_request_is_recorded_once(spine: Spine) -> None:
    scope = spine.organization()
    size = spine.size(scope.org_id)
    answer = spine.record(scope, event(1, external_id="x"), event(1, external_id="x"), event(2))
    assert [one.index for one in answer.events] == [size, size, size + 1]
    assert [one.duplicate for one in answer.events] == [False, True, False]


def test_an_external_id_belongs_to_one_organization(spine: Spine) -> None:
    alice, bob = spine.organization("alice"), spine.organization("bob")
    mine = spine.record(alice, event(1, external_id="x"))
    theirs = spine.record(bob, event(1, external_id="x"))
    assert not theirs.events[0].duplicate
    assert mine.events[0].id != theirs.events[0].id


def test_an_idempotency_key_answers_the_first_answer(spine: Spine) -> None:
    scope = spine.organization()
    one = spine.record(scope, event(1), event(2), key="k")
    again = spine.record(scope, event(1), event(2), key="k")
    assert again.duplicate
    assert not one.duplicate
    assert [(e.id, e.index) for e in again.events] == [(e.id, e.index) for e in one.events]


def test_an_idempotency_key_with_another_body_is_a_conflict_and_records_nothing(spine: Spine) -> None:
    scope = spine.organization()
    spine.record(scope, event(1), key="k")
    size = spine.size(scope.org_id)
    with pytest.raises(Conflict):
        spine.record(scope, event(2), key="k")
    assert spine.size(scope.org_id) == size


def test_the_tree_holds_every_event_of_the_log(spine: Spine) -> None:
    scope = spine.organization()
    for _ in range(3):
        spine.record(scope, *(event(n) for n in range(300)))
    with spine.database.read() as connection:
        size, _root = check.recompute(connection, scope.org_id)
    assert size == spine.size(scope.org_id)


def test_what_is_recorded_is_in_the_store_once_and_without_a_gap(spine: Spine) -> None:
    scope = spine.organization()
    for _ in range(3):
        spine.record(scope, *(event(n) for n in range(300)))
    spine.ship()
    assert spine.indexes(scope.org_id) == list(range(spine.size(scope.org_id)))


def test_an_event_older_than_the_retention_is_kept_and_said_to_expire_soon(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=7)
    answer = sqlite_spine.record(scope, event(1, timestamp="2024-01-15T14:30:45Z"), event(2))
    assert [one.expires_soon for one in answer.events] == [True, False]


def test_an_own_action_that_cannot_be_recorded_whole_keeps_who_did_it_and_on_what(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    size = sqlite_spine.size(scope.org_id)
    who, what = {"type": "user", "id": "usr_1", "email": "maya@acme.com"}, {"type": "alert_rule", "id": "rul_1"}
    event = {"action": "audit_log.alert_rule_disabled", "actor": who, "resource": what, "metadata": {"said": "\0"}}
    with sqlite_spine.database.write() as connection:
        outbox.write(connection, scope.org_id, event, now=now_us())
    sqlite_spine.sequencer.tick([])
    ((_, record),) = read_unstored(sqlite_spine.database, scope, size, size + 10)
    assert (record.action, record.actor_email, record.resource_id) == (event["action"], "maya@acme.com", "rul_1")
    assert "problem" in record.paths[0]


def test_old_idempotency_keys_are_deleted_in_small_steps(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    for number in range(3):
        sqlite_spine.record(scope, event(number), key=f"k{number}")
    later = now_us() + (IDEMPOTENCY_DAYS + 1) * DAY_US
    with sqlite_spine.database.write() as connection:
        assert [forget_old_keys(connection, later, most=2) for _ in range(2)] == [True, False]
        assert connection.scalar(select(func.count()).select_from(idempotency_keys)) == 0


def test_while_old_keys_are_left_each_look_deletes_some(sqlite_spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [True, True, False]
    monkeypatch.setattr("tallystick.ingest.sequencer.forget_old_keys", lambda *_: left.pop(0))
    for _ in range(5):
        sqlite_spine.sequencer.tick([])
    assert left == []


@pytest.mark.parametrize("error", [RuntimeError(), LedgerDamaged("its tree contradicts itself")])
def test_every_request_is_answered_whatever_fails_in_its_commit(
    sqlite_spine: Spine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    scope = sqlite_spine.organization()

    def fail(*_arguments: object, **_named: object) -> None:
        raise error

    monkeypatch.setattr("tallystick.ingest.sequencer.commit", fail)
    monkeypatch.setattr("tallystick.ingest.sequencer.ledger_log.freeze", fail)
    with pytest.raises(TallystickError):
        sqlite_spine.record(scope, event(1))
    monkeypatch.undo()
    assert not sqlite_spine.record(scope, event(1)).duplicate


def test_every_request_is_answered_where_its_commit_cannot_begin(
    sqlite_spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = sqlite_spine.organization()
    monkeypatch.setattr(sqlite_spine.sequencer, "_works", lambda *_: 1 / 0)
    with pytest.raises(Unavailable):
        sqlite_spine.record(scope, event(1))
