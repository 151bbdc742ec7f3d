"""Events that had expired when they were recorded: nothing of an import vanishes unsaid."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import Connection

from tallystick import clock
from tallystick.access import organizations
from tallystick.clock import DAY_US, SECOND_US
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.retention.forecast import forecast
from tallystick.retention.grace import GRACE_US
from tallystick.retention.late_events import late_email
from tallystick.retention.purge import Purger
from tallystick.store.expiry import ExpiryCount
from tests.fixtures.spine import Spine

HOUR = 3600 * SECOND_US


def event(days: float) -> dict[str, object]:
    at = datetime.now(UTC) - timedelta(days=days)
    return {"action": "project.updated", "timestamp": at.isoformat()}


class DailyPurge:
    """The purge as a server runs it, and the mail that it sends."""

    def __init__(self, spine: Spine) -> None:
        self.spine = spine
        self.mails: list[tuple[int, int]] = []
        self.start = clock.now_us()
        self.purger = Purger(spine.database, spine.store, mail_late=self._mail, grace_us=GRACE_US)

    def _mail(self, _connection: Connection, _org_id: UUID, waiting: ExpiryCount, until: int) -> None:
        self.mails.append((waiting.events, until))

    def run(self, later: int) -> None:
        """All that is due so many microseconds after the start."""
        for _ in range(30):
            busy = self.purger.step(self.start + later)
            self.spine.sequencer.tick([])
            self.spine.ship()
            if not busy:
                return
        raise AssertionError("the purge does not end")


def recorded(spine: Spine, scope: Scope, action: str) -> list[Mapping[str, Any]]:
    found = spine.finder.page(scope, Query(), limit=1000).data
    return [
        msgspec.json.decode(one.details)["metadata"]
        for one in found
        if msgspec.json.decode(one.what)["action"] == action
    ]


@pytest.fixture
def purge(spine: Spine) -> DailyPurge:
    return DailyPurge(spine)


def test_an_import_stays_through_a_purge_that_tells_of_it_and_goes_with_the_next(
    spine: Spine, purge: DailyPurge
) -> None:
    scope = spine.organization(days=30)
    purge.run(0)
    old = [one.index for one in spine.record(scope, *[event(days) for days in (31, 400, 500)], event(1)).events]
    spine.ship()
    purge.run(DAY_US + HOUR)
    assert set(old) <= set(spine.indexes(scope.org_id))
    (said,) = recorded(spine, scope, "audit_log.purge_waits")
    assert (said["events"], said["retention_days"]) == (3, 30)
    assert purge.mails == [(3, purge.start + 2 * DAY_US + HOUR)]
    purge.run(2 * DAY_US + 2 * HOUR)
    assert set(spine.indexes(scope.org_id)) & set(old) == {old[3]}
    assert len(purge.mails) == 1


def test_one_that_comes_just_before_the_purge_waits_a_whole_day(spine: Spine, purge: DailyPurge) -> None:
    scope = spine.organization(days=30)
    old = spine.record(scope, event(400)).events[0].index
    spine.ship()
    purge.run(HOUR)
    purge.run(23 * HOUR)
    assert old in spine.indexes(scope.org_id)
    purge.run(26 * HOUR)
    assert old not in spine.indexes(scope.org_id)


def test_a_longer_retention_in_time_keeps_them(spine: Spine, purge: DailyPurge) -> None:
    scope = spine.organization(days=400)
    purge.run(0)
    old = spine.record(scope, event(500)).events[0].index
    spine.ship()
    purge.run(DAY_US + HOUR)
    with spine.database.write() as connection:
        organizations.set_retention(connection, scope, 600, now=clock.now_us())
    purge.run(2 * DAY_US + 2 * HOUR)
    purge.run(3 * DAY_US + 3 * HOUR)
    assert old in spine.indexes(scope.org_id)


def test_events_that_came_in_time_do_not_wait(spine: Spine, purge: DailyPurge) -> None:
    scope = spine.organization(days=30)
    prompt = spine.record(scope, event(0)).events[0].index
    spine.ship()
    purge.run(29 * DAY_US)
    purge.run(30 * DAY_US + HOUR)
    assert prompt not in spine.indexes(scope.org_id)
    assert purge.mails == []


def test_the_forecast_counts_those_that_wait(spine: Spine) -> None:
    scope = spine.organization(days=30)
    spine.record(scope, event(31), event(400), event(29), event(0))
    spine.ship()
    assert forecast(spine.database, spine.store, scope).waiting.events == 2


def test_the_mail_says_until_when_they_can_be_kept() -> None:
    email = late_email("Acme", ExpiryCount(18, complete=True), 1_800_000_000_000_000, "https://audit.example/retention")
    assert email.subject == "18 late events of Acme will be deleted after 2027-01-15 08:00 UTC"
    assert "make the retention longer or place a legal hold" in email.text
    assert "https://audit.example/retention" in email.html
