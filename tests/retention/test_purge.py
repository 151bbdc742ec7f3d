"""The purge, on both control databases and the real store."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from tallystick import clock
from tallystick.access import organizations
from tallystick.clock import DAY_US, SECOND_US
from tallystick.errors import TallystickError
from tallystick.ingest.reconcile import reconcile
from tallystick.journal import set_aside
from tallystick.ledger import log as ledger_log
from tallystick.query.conditions import Contains, Query
from tallystick.query.scope import Scope
from tallystick.retention import holds
from tallystick.retention.index_set import parse_indexes
from tallystick.retention.purge import LEASE_SECONDS, Purger
from tallystick.retention.tables import legal_holds
from tallystick.search.scan import read_unstored
from tests.fixtures.spine import Spine

pytestmark = [pytest.mark.one_engine, pytest.mark.both_stores]


def event(days: float, **more: object) -> dict[str, object]:
    """An event of so many days ago."""
    at = datetime.now(UTC) - timedelta(days=days)
    return {"action": "project.updated", "timestamp": at.isoformat(), **more}


def purge(spine: Spine, *, later: int = 0) -> None:
    """Everything that is due `later` microseconds from now, as the running server does it."""
    purger = Purger(spine.database, spine.store)
    now = clock.now_us() + later
    for _ in range(100):
        busy = purger.step(now)
        spine.sequencer.tick([])
        spine.ship()
        if not busy:
            return
    raise AssertionError("the purge does not end")


def records(spine: Spine, scope: Scope) -> list[Mapping[str, Any]]:
    """What the purges wrote into the trail."""
    found = spine.finder.page(scope, Query(), limit=1000).data
    whats = [(msgspec.json.decode(one.what), one) for one in found]
    return [msgspec.json.decode(one.details)["metadata"] for what, one in whats if what["action"] == "audit_log.pruned"]


def set_days(spine: Spine, scope: Scope, days: int) -> None:
    with spine.database.write() as connection:
        organizations.set_retention(connection, scope, days, now=clock.now_us())


def test_what_is_older_than_the_retention_goes_and_the_rest_stays(spine: Spine) -> None:
    scope = spine.organization(days=30)
    sent = [one.index for one in spine.record(scope, event(31), event(29), event(400), event(0)).events]
    spine.ship()
    purge(spine)
    assert set(spine.indexes(scope.org_id)) & set(sent) == {sent[1], sent[3]}


def test_the_trail_says_exactly_what_went(spine: Spine) -> None:
    scope = spine.organization(days=30)
    sent = [one.index for one in spine.record(scope, event(31), event(29), event(400)).events]
    spine.ship()
    purge(spine)
    (said,) = records(spine, scope)
    assert parse_indexes(said["indexes"]) == [sent[0], sent[2]]
    assert (said["events"], said["retention_days"]) == (2, 30)


def test_nothing_is_deleted_before_its_record_is_in_the_log(spine: Spine) -> None:
    scope = spine.organization(days=30)
    old = spine.record(scope, event(31)).events[0].index
    spine.ship()
    spine.sequencer.stop()
    purger = Purger(spine.database, spine.store)
    for _ in range(5):
        purger.step()
    assert old in spine.indexes(scope.org_id)
    spine.sequencer.tick([])
    purger.step()
    assert old not in spine.indexes(scope.org_id)


@pytest.mark.both_engines
def test_a_deletion_that_was_announced_is_taken_up_by_whoever_comes_after_a_crash(spine: Spine) -> None:
    scope = spine.organization(days=30)
    old = spine.record(scope, event(31)).events[0].index
    spine.ship()
    Purger(spine.database, spine.store).step()
    spine.sequencer.tick([])
    other = Purger(spine.database, spine.store)
    assert other.step() is False  # the lease of the dead one has not run out
    other.step(clock.now_us() + (LEASE_SECONDS + 1) * SECOND_US)
    assert old not in spine.indexes(scope.org_id)
    spine.ship()
    assert len(records(spine, scope)) == 1


def test_the_records_themselves_outlast_every_retention(spine: Spine) -> None:
    scope = spine.organization(days=1)
    spine.record(scope, event(2))
    spine.ship()
    purge(spine)
    purge(spine, later=400 * DAY_US)
    actions = {msgspec.json.decode(one.what)["action"] for one in spine.finder.page(scope, Query()).data}
    assert actions == {"organization.created", "audit_log.pruned"}


def test_what_a_sender_calls_like_a_record_goes_with_the_rest(spine: Spine) -> None:
    scope = spine.organization(days=30)
    sent = spine.record(scope, event(31, action="organization.created")).events[0].index
    spine.ship()
    purge(spine)
    assert sent not in spine.indexes(scope.org_id)


def test_a_shorter_retention_takes_effect_a_day_later(spine: Spine) -> None:
    scope = spine.organization(days=90)
    old = spine.record(scope, event(60)).events[0].index
    spine.ship()
    set_days(spine, scope, 30)
    purge(spine, later=DAY_US - 60 * SECOND_US)
    assert old in spine.indexes(scope.org_id)
    purge(spine, later=2 * DAY_US)
    assert old not in spine.indexes(scope.org_id)


def test_two_changes_in_one_day_keep_what_the_longest_of_them_keeps(spine: Spine) -> None:
    scope = spine.organization(days=90)
    old = spine.record(scope, event(60)).events[0].index
    spine.ship()
    for days in (30, 7):
        set_days(spine, scope, days)
    purge(spine)
    assert old in spine.indexes(scope.org_id)


def test_another_organization_with_a_longer_retention_loses_nothing(spine: Spine) -> None:
    acme, charlie = spine.organization("acme", days=30), spine.organization("charlie", days=365)
    spine.record(acme, event(60))
    kept = spine.record(charlie, event(60)).events[0].index
    spine.ship()
    purge(spine)
    assert kept in spine.indexes(charlie.org_id)
    assert records(spine, charlie) == []


@pytest.mark.both_stores
def test_nobody_finds_what_was_purged(spine: Spine) -> None:
    scope = spine.organization(days=30)
    spine.record(scope, *[event(31 + n, description="unmistakable") for n in range(5)], event(1))
    spine.ship()
    purge(spine)
    for count in ("estimate", "exact"):
        page = spine.finder.page(scope, Query(Contains("unmistakable")), count=count)
        assert (page.data, page.total) == ([], 0)


def test_a_purged_event_can_be_sent_again_under_its_external_id(spine: Spine) -> None:
    scope = spine.organization(days=30)
    first = spine.record(scope, event(31, external_id="ci-1")).events[0]
    spine.ship()
    purge(spine)
    second = spine.record(scope, event(1, external_id="ci-1")).events[0]
    assert not second.duplicate
    assert second.index != first.index


def test_a_start_after_a_purge_misses_nothing(spine: Spine) -> None:
    scope = spine.organization(days=30)
    spine.record(scope, event(31), event(1))
    spine.ship()
    purge(spine)
    assert [found for found in reconcile(spine.database, spine.store) if found.org_id == scope.org_id] == []


@pytest.mark.both_stores
def test_many_scattered_events_go_in_several_records_that_fit(
    sqlite_spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.retention.purge.MAX_RECORD_TEXT", 100)
    scope = sqlite_spine.organization(days=30)
    sent = sqlite_spine.record(scope, *[event(31 if n % 2 else 1) for n in range(200)]).events
    sqlite_spine.ship()
    purge(sqlite_spine)
    said = records(sqlite_spine, scope)
    assert len(said) > 1
    assert sorted(index for one in said for index in parse_indexes(one["indexes"])) == [one.index for one in sent[1::2]]
    assert all(len(one["indexes"]) <= 100 for one in said)


def test_a_log_that_takes_nothing_holds_up_no_other(spine: Spine) -> None:
    frozen, acme = spine.organization("frozen", days=30), spine.organization("acme", days=30)
    for scope in (frozen, acme):
        spine.record(scope, event(31))
    spine.ship()
    with spine.database.write() as connection:
        ledger_log.freeze(connection, frozen.org_id, "for this test")
    with pytest.raises(TallystickError):
        spine.record(frozen, event(0))
    purge(spine)
    assert records(spine, acme)
    assert records(spine, frozen) == []


def test_what_an_operator_redacts_is_not_redacted_from_the_record(spine: Spine) -> None:
    spine.sequencer._redacted_keys = frozenset({"indexes", "before", "retentiondays"})
    scope = spine.organization(days=30)
    sent = spine.record(scope, event(31)).events[0].index
    spine.ship()
    purge(spine)
    assert parse_indexes(records(spine, scope)[0]["indexes"]) == [sent]


@pytest.mark.both_engines
def test_an_organization_whose_purge_fails_holds_up_no_other(spine: Spine) -> None:
    broken, acme = spine.organization("broken", days=30), spine.organization("acme", days=30)
    for scope in (broken, acme):
        spine.record(scope, event(31))
    spine.ship()
    with spine.database.write() as connection:
        holds.place(connection, broken, "Case 7", "failed", now=clock.now_us())
        # As if the language of searches had changed since.
        connection.execute(update(legal_holds).where(legal_holds.c.org_id == broken.org_id).values(query="statsu:("))
    purger = Purger(spine.database, spine.store)
    for _ in range(10):
        with suppress(TallystickError):
            purger.step()
        spine.sequencer.tick([])
    spine.ship()
    assert records(spine, acme)
    assert records(spine, broken) == []


def test_what_is_set_aside_under_the_name_of_a_record_goes_like_any_other(sqlite_spine: Spine) -> None:
    """A sender may call an event of its own as it likes: only Tallystick's own records last."""
    spine = sqlite_spine
    scope = spine.organization(days=30)
    [sent] = spine.record_reserved(scope, {**event(31), "action": "audit_log.pruned"}).events
    [(index, record)] = [one for one in read_unstored(spine.database, scope, 0, 100) if one[0] == sent.index]
    spine.ship()
    spine.store.delete("org_id = {org:UUID} AND seq = {seq:UInt64}", {"org": str(scope.org_id), "seq": index})
    with spine.database.write() as connection:
        set_aside.put(connection, scope.org_id, index, record, "refused", clock.now_us())
    purge(spine)
    with spine.database.read() as connection:
        assert list(set_aside.of_organization(connection, scope.org_id)) == []
