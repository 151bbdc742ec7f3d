"""Legal holds: what is under one stays."""

import msgspec
import pytest

from tallystick import clock
from tallystick.clock import DAY_US
from tallystick.errors import BadRequest, NotFound
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.retention import holds
from tallystick.retention.holds import Hold
from tests.fixtures.spine import Spine
from tests.retention.test_purge import event, purge

SARAH = {"type": "user", "email": "sarah@acme.com"}


def place(spine: Spine, scope: Scope, query: str = "", start: str = "", end: str = "") -> Hold:
    with spine.database.write() as connection:
        return holds.place(connection, scope, "Case 7", query, start, end, now=clock.now_us())


def release(spine: Spine, scope: Scope, public_id: str) -> None:
    with spine.database.write() as connection:
        holds.release(connection, scope, public_id, now=clock.now_us())


def kept(spine: Spine, scope: Scope, *events: dict[str, object]) -> list[bool]:
    """Which of these events are there after a purge."""
    sent = [one.index for one in spine.record(scope, *events).events]
    spine.ship()
    purge(spine)
    held = set(spine.indexes(scope.org_id))
    return [index in held for index in sent]


def test_what_a_person_did_stays_while_it_is_held(spine: Spine) -> None:
    scope = spine.organization(days=30)
    place(spine, scope, "user:sarah@acme.com")
    assert kept(spine, scope, event(40, actor=SARAH), event(40)) == [True, False]


def test_a_resource_is_held_by_its_name(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=30)
    place(sqlite_spine, scope, "resource:vpc-*")
    vpc = {"type": "project", "name": "vpc-production"}
    assert kept(sqlite_spine, scope, event(40, resource=vpc), event(40)) == [True, False]


def test_a_word_in_the_details_is_held(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=30)
    place(sqlite_spine, scope, "contract")
    assert kept(sqlite_spine, scope, event(40, metadata={"note": "the Contract"}), event(40)) == [True, False]


def test_a_period_is_held(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=30)
    place(sqlite_spine, scope, start=event(45)["timestamp"][:10], end=event(35)["timestamp"][:10])  # type: ignore[index]
    assert kept(sqlite_spine, scope, event(50), event(40), event(31)) == [False, True, False]


def test_relative_times_of_a_hold_stay_where_they_were_when_it_was_placed(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=30)
    hold = place(sqlite_spine, scope, "after:45d")
    sent = sqlite_spine.record(scope, event(29)).events[0].index
    sqlite_spine.ship()
    purge(sqlite_spine, later=60 * DAY_US)
    assert sent in sqlite_spine.indexes(scope.org_id)
    assert hold.query == "after:45d"


def test_after_its_release_the_retention_goes_on(spine: Spine) -> None:
    scope = spine.organization(days=30)
    hold = place(spine, scope, "user:sarah@acme.com")
    assert kept(spine, scope, event(40, actor=SARAH)) == [True]
    release(spine, scope, hold.public_id)
    purge(spine, later=2 * DAY_US)
    assert [one for one in spine.finder.page(scope, Query()).data if b"sarah" in one.who] == []


def test_placing_and_releasing_stand_in_the_trail(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=30)
    hold = place(sqlite_spine, scope, "user:sarah@acme.com")
    release(sqlite_spine, scope, hold.public_id)
    sqlite_spine.sequencer.tick([])
    sqlite_spine.ship()
    actions = [msgspec.json.decode(one.what)["action"] for one in sqlite_spine.finder.page(scope, Query()).data]
    assert {"audit_log.legal_hold_placed", "audit_log.legal_hold_released"} <= set(actions)


def test_a_hold_of_one_organization_holds_nothing_of_another(spine: Spine) -> None:
    acme, charlie = spine.organization("acme", days=30), spine.organization("charlie", days=30)
    hold = place(spine, acme, "user:sarah@acme.com")
    assert kept(spine, charlie, event(40, actor=SARAH)) == [False]
    with spine.database.read() as connection:
        assert holds.list_holds(connection, charlie) == []
        with pytest.raises(NotFound):
            holds.show(connection, charlie, hold.public_id)
    with pytest.raises(NotFound):
        release(spine, charlie, hold.public_id)


@pytest.mark.parametrize(
    ("query", "start"), [("", ""), ("   ", ""), ("statsu:failed", ""), ("(", ""), ("user:sarah", "yesterday-ish")]
)
def test_a_hold_that_says_nothing_or_nonsense_is_refused(query: str, start: str, sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    with pytest.raises(BadRequest):
        place(sqlite_spine, scope, query, start)
    with sqlite_spine.database.read() as connection:
        assert holds.active(connection, scope) == []
