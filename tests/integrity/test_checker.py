"""The background check, on both control databases and the real store: what it finds, says and remembers."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, select, update

from tallystick import clock, telemetry
from tallystick.clock import DAY_US, SECOND_US
from tallystick.errors import TallystickError
from tallystick.integrity import check_slice, rounds
from tallystick.integrity.checker import LEASE_SECONDS, Checker
from tallystick.integrity.overview import overview, request_check
from tallystick.integrity.rounds import Problem, Round
from tallystick.integrity.tables import integrity_rounds
from tallystick.ledger.tables import logs, tiles
from tallystick.outbox import write as outbox
from tallystick.query.conditions import Equals, Query
from tallystick.retention.purge import Purger
from tallystick.retention.tables import prunings
from tests.fixtures.spine import Spine

pytestmark = [pytest.mark.one_engine, pytest.mark.both_stores]

COUNT = 600  # three tiles, the organization's own first action included


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_slice, "SLICE", 256)


class Guarded:
    """An organization whose log is looked through step by step."""

    def __init__(self, spine: Spine) -> None:
        self.spine = spine
        self.scope = spine.organization(days=30)
        self.fill(COUNT - 1)
        spine.ship()
        self.checker = Checker(spine.database, spine.store)
        self.now = clock.now_us()

    def fill(self, count: int, **more: object) -> None:
        events = [{"action": "deployment.failed", "metadata": {"n": number}, **more} for number in range(count)]
        for start in range(0, count, 1000):
            self.spine.record(self.scope, *events[start : start + 1000])

    def round(self, later: int = DAY_US) -> Round:
        """A whole round, a day after the last."""
        self.now += later
        while self.checker.step(self.now):
            pass
        found = self.standing.last
        assert found is not None
        return found

    @property
    def standing(self) -> rounds.RoundState:
        with self.spine.database.read() as connection:
            return rounds.round_state(connection, self.scope.org_id)

    def said(self, action: str) -> list[dict[str, Any]]:
        """The metadata of the trail's events of this action, oldest first."""
        self.spine.sequencer.tick([])
        self.spine.ship()
        found = self.spine.finder.page(self.scope, Query(Equals("action", (action,))), limit=100).data
        return [msgspec.json.decode(one.details).get("metadata", {}) for one in reversed(found)]

    def tamper(self, statement: str) -> None:
        with self.spine.store._writers.borrow() as client:
            parameters = {"org": str(self.scope.org_id)}
            client.command(statement, parameters=parameters, settings={"mutations_sync": 1})

    def purge(self, later: int = 0) -> None:
        now = clock.now_us() + later
        for _ in range(10):
            Purger(self.spine.database, self.spine.store).step(now)
            self.spine.sequencer.tick([])
            now += 400 * SECOND_US


@pytest.fixture
def trail(spine: Spine) -> Guarded:
    return Guarded(spine)


@pytest.mark.both_stores
def test_a_trail_that_nobody_touched_is_clean_and_the_trail_is_not_filled_by_it(trail: Guarded) -> None:
    found = trail.round()
    assert (found.end, found.checked, found.found, found.position) == (COUNT, COUNT, 0, COUNT)
    assert trail.said("audit_log.integrity_verified") == []


def test_a_round_is_once_a_day(trail: Guarded) -> None:
    trail.round()
    assert trail.checker.step(trail.now + DAY_US - SECOND_US) is False
    assert trail.checker.step(trail.now + DAY_US) is True


def test_a_difference_is_said_once_and_again_only_when_there_is_another(trail: Guarded) -> None:
    trail.tamper("ALTER TABLE events UPDATE status = 'success' WHERE org_id = {org:UUID} AND seq = 300")
    trail.tamper("ALTER TABLE events UPDATE who = '{}' WHERE org_id = {org:UUID} AND seq = 599")
    found = trail.round()
    assert [one.index for one in found.problems] == [300, 599]
    (said,) = trail.said("audit_log.integrity_failed")
    assert said["index"] == 300
    assert "status" in said["problem"]
    assert telemetry.registry.get_sample_value("tallystick_integrity_differences") >= 2
    trail.round()
    assert len(trail.said("audit_log.integrity_failed")) == 1
    trail.tamper("ALTER TABLE events UPDATE status = 'success' WHERE org_id = {org:UUID} AND seq = 5")
    trail.round()
    assert [one["index"] for one in trail.said("audit_log.integrity_failed")] == [300, 5]


def test_when_it_is_repaired_the_next_round_says_so(trail: Guarded) -> None:
    trail.tamper("ALTER TABLE events UPDATE status = 'success' WHERE org_id = {org:UUID} AND seq = 300")
    assert trail.round().found == 1
    trail.tamper("ALTER TABLE events UPDATE status = 'failed' WHERE org_id = {org:UUID} AND seq = 300")
    repaired = trail.round()
    assert (repaired.found, repaired.repaired) == (0, 1)
    assert trail.round().repaired == 0


def test_attack_an_event_removed_without_a_record(trail: Guarded) -> None:
    trail.tamper("ALTER TABLE events DELETE WHERE org_id = {org:UUID} AND seq = 300")
    assert trail.round().problems == (Problem(300, "the event is missing, and no record explains it"),)


@pytest.mark.both_stores
def test_attack_a_part_taken_without_a_record(trail: Guarded) -> None:
    remains = "concat(char(8), repeat(char(0), 128))"
    trail.tamper(
        f"ALTER TABLE events UPDATE details = '', remains = {remains} WHERE org_id = {{org:UUID}} AND seq = 300"
    )
    words = [one.words for one in trail.round().problems if one.index == 300]
    assert "the event has no details, and no record explains it" in words


def test_attack_an_event_beyond_the_log(trail: Guarded) -> None:
    names = "id, occurred_at, received_at, seed, what, target, who, details, action"
    trail.tamper(
        f"INSERT INTO events (org_id, seq, {names}) SELECT org_id, 5000, {names} FROM events "
        "WHERE org_id = {org:UUID} AND seq = 300"
    )
    assert trail.round().problems == (Problem(5000, f"an event is stored, but the log has only {COUNT} entries"),)


def test_attack_a_senders_own_purge_record_explains_nothing(trail: Guarded) -> None:
    trail.spine.record_reserved(trail.scope, {"action": "audit_log.pruned", "metadata": {"indexes": "300"}})
    trail.spine.ship()
    trail.tamper("ALTER TABLE events DELETE WHERE org_id = {org:UUID} AND seq = 300")
    assert [one.index for one in trail.round().problems] == [300]


@pytest.mark.parametrize(("level", "position"), [(0, 0), (0, 1), (0, 2), (1, 0)])
def test_attack_the_tree_changed(trail: Guarded, level: int, position: int) -> None:
    place = (tiles.c.org_id == trail.scope.org_id) & (tiles.c.level == level) & (tiles.c.position == position)
    with trail.spine.database.write() as connection:
        held = connection.execute(select(tiles.c.hashes).where(place)).scalar_one()
        changed = bytes([held[0] ^ 1]) + held[1:]
        connection.execute(update(tiles).where(place).values(hashes=changed))
    found = trail.round()
    assert found.found
    assert any("hash above" in one.words or "root" in one.words for one in found.problems)


@pytest.mark.both_engines
def test_attack_entries_of_the_log_deleted(trail: Guarded) -> None:
    place = (tiles.c.org_id == trail.scope.org_id) & (tiles.c.level == 0) & (tiles.c.position == 1)
    with trail.spine.database.write() as connection:
        connection.execute(delete(tiles).where(place))
    assert any("the entries of the log from 256 on are missing" in one.words for one in trail.round().problems)


@pytest.mark.both_stores
def test_what_a_purge_took_is_explained(trail: Guarded) -> None:
    trail.fill(50, timestamp="2020-01-01T00:00:00Z")
    trail.spine.ship()
    trail.purge()
    trail.spine.ship()
    found = trail.round()
    assert (found.found, found.expired) == (0, 50)


def test_a_purge_under_way_is_no_difference_whichever_step_it_is_at(trail: Guarded) -> None:
    trail.fill(50, timestamp="2020-01-01T00:00:00Z")
    trail.spine.ship()
    purger = Purger(trail.spine.database, trail.spine.store)
    purger.step()
    assert trail.round().found == 0
    trail.spine.sequencer.tick([])
    trail.spine.ship()
    assert trail.round().found == 0, "announced, and all still there"
    purger.step()
    assert trail.round().found == 0


@pytest.mark.both_engines
def test_what_a_purge_took_and_is_there_all_the_same_is_found(trail: Guarded) -> None:
    trail.fill(1, timestamp="2020-01-01T00:00:00Z")
    trail.spine.ship()
    Purger(trail.spine.database, trail.spine.store).step()
    trail.spine.sequencer.tick([])
    trail.spine.ship()
    with trail.spine.database.write() as connection:  # the end of a purge, without its deletion
        connection.execute(delete(prunings).where(prunings.c.org_id == trail.scope.org_id))
    assert trail.round().problems == (
        Problem(COUNT, "the log says that a purge deleted the event, but it is still stored"),
    )


def test_what_an_erasure_took_and_is_there_all_the_same_is_found(trail: Guarded) -> None:
    said = {"action": "audit_log.subject_erased", "metadata": {"indexes": "300", "parts": "who"}}
    with trail.spine.database.write() as connection:
        outbox.write(connection, trail.scope.org_id, said, now=clock.now_us())
    trail.spine.sequencer.tick([])
    trail.spine.ship()
    words = "the log says that an erasure removed its who, but it is still stored"
    assert trail.round().problems == (Problem(300, words),)


def test_a_round_goes_on_after_a_crash_where_it_was(trail: Guarded) -> None:
    assert trail.checker.step(trail.now)
    running = trail.standing.running
    assert running is not None
    assert running.position == 256
    other = Checker(trail.spine.database, trail.spine.store)
    assert other.step(trail.now) is False, "another node has the lease"
    later = trail.now + (LEASE_SECONDS + 1) * SECOND_US
    while other.step(later):
        pass
    last = trail.standing.last
    assert last is not None
    assert (last.started_at, last.checked, last.found) == (trail.now, COUNT, 0)


def test_what_is_not_stored_yet_is_no_difference(trail: Guarded) -> None:
    trail.fill(10)
    assert trail.round().found == 0


@pytest.mark.both_engines
def test_a_round_that_a_person_asked_for_is_in_the_trail_whoever_asks_twice(trail: Guarded) -> None:
    trail.round()
    for _ in range(2):
        with trail.spine.database.write() as connection:
            request_check(connection, trail.scope, now=trail.now)
    found = trail.round(later=SECOND_US)
    assert found.asked_by == trail.scope.principal
    assert len(trail.said("audit_log.integrity_check_requested")) == 1
    (said,) = trail.said("audit_log.integrity_verified")
    assert said["entries"] == said["events"] >= COUNT


@pytest.mark.both_engines
def test_one_log_tells_nothing_of_another(trail: Guarded) -> None:
    other = trail.spine.organization("other")
    trail.spine.ship()
    trail.tamper("ALTER TABLE events UPDATE status = 'success' WHERE org_id = {org:UUID} AND seq = 300")
    trail.round()
    with trail.spine.database.read() as connection:
        seen = overview(connection, other)
        assert seen.last is not None
        assert (seen.last.found, seen.size) == (0, 1)


@pytest.mark.both_engines
def test_a_frozen_log_is_looked_through_all_the_same(trail: Guarded) -> None:
    with trail.spine.database.write() as connection:
        mine = logs.c.org_id == trail.scope.org_id
        connection.execute(update(logs).where(mine).values(frozen_reason="because"))
    assert trail.round().found == 0


def test_whoever_asks_again_and_again_holds_no_other_log_up_for_long(trail: Guarded) -> None:
    other = trail.spine.organization("other")
    trail.spine.ship()
    trail.round()
    with trail.spine.database.write() as connection:
        request_check(connection, trail.scope, now=trail.now)
        assert rounds.next_due(connection, now=trail.now + SECOND_US) == (trail.scope.org_id, None)
        rounds.begin_round(connection, trail.scope.org_id, now=trail.now + DAY_US)
        request_check(connection, trail.scope, now=trail.now + DAY_US)
        assert rounds.next_due(connection, now=trail.now + 2 * DAY_US) == (other.org_id, None)


@pytest.mark.both_engines
def test_a_log_that_cannot_be_looked_through_holds_no_other_up(trail: Guarded) -> None:
    trail.round()
    other = trail.spine.organization("other")
    trail.spine.ship()
    with trail.spine.database.write() as connection:
        begun = rounds.begin_round(connection, trail.scope.org_id, now=trail.now)
        running = msgspec.json.encode(msgspec.structs.replace(begun, started_at=0))
        mine = integrity_rounds.c.org_id == trail.scope.org_id
        connection.execute(update(integrity_rounds).where(mine).values(running=running))
        connection.execute(delete(logs).where(logs.c.org_id == trail.scope.org_id))
    with pytest.raises(TallystickError):
        while trail.checker.step(trail.now):
            pass
    while trail.checker.step(trail.now):
        pass
    with trail.spine.database.read() as connection:
        assert rounds.round_state(connection, other.org_id).last is not None
