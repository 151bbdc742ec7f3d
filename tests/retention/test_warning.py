"""Mail to owners before events go that never left."""

from sqlalchemy import select

from tallystick import clock
from tallystick.access import organizations, people
from tallystick.clock import DAY_US
from tallystick.destinations.tables import mails
from tallystick.query.scope import Scope
from tallystick.retention import exported_ranges
from tallystick.retention.purge import Purger
from tallystick.retention.warning import set_warning_off, warn
from tests.fixtures.spine import Spine
from tests.retention.test_purge import event

URL = "https://audit.example.com"


def settled(spine: Spine, slug: str = "acme") -> Scope:
    """An organization that keeps 30 days, with two owners and an admin, and two events of 25 days ago."""
    scope = spine.organization(slug, days=30)
    with spine.database.write() as connection:
        for name, role in (("maya", "owner"), ("nico", "owner"), ("ann", "admin")):
            people.create(connection, scope, f"{name}@{slug}.com", role, now=clock.now_us())
    spine.record(scope, event(25), event(25))
    spine.ship()
    return scope


def told(spine: Spine, scope: Scope, *, later: int = 0, archived: bool = False) -> list[tuple[str, str]]:
    """To whom mail is written now, and with which text."""
    now = clock.now_us() + later
    warn(spine.database, spine.store, scope.org_id, URL, now=now, archived=archived)
    with spine.database.read() as connection:
        statement = select(mails.c.recipient, mails.c.text).where(
            mails.c.org_id == scope.org_id, mails.c.made_at == now
        )
        return sorted((row.recipient, row.text) for row in connection.execute(statement))


def test_the_owners_are_told_what_goes_and_where_to_look(spine: Spine) -> None:
    scope = settled(spine)
    sent = told(spine, scope)
    assert [recipient for recipient, _ in sent] == ["maya@acme.com", "nico@acme.com"]
    assert "2 events that were never exported or archived will be deleted within 7 days." in sent[0][1]
    assert f"{URL}/retention" in sent[0][1]


def test_once_a_week_at_most_but_anew_after_a_change(spine: Spine) -> None:
    scope = settled(spine)
    assert told(spine, scope)
    assert told(spine, scope, later=DAY_US) == []
    assert told(spine, scope, later=6 * DAY_US) == []
    with spine.database.write() as connection:
        organizations.set_retention(connection, scope, 20, now=clock.now_us())
    [first, _] = told(spine, scope, later=1000)
    assert "shortened from 30 to 20 days" in first[1]
    assert told(spine, scope, later=DAY_US // 2) == []


def test_nobody_is_told_of_what_was_exported_nor_where_it_is_switched_off(sqlite_spine: Spine) -> None:
    acme, other = settled(sqlite_spine), settled(sqlite_spine, "other")
    with sqlite_spine.database.write() as connection:
        exported_ranges.add_ranges(connection, acme, [(0, 1000)])
        set_warning_off(connection, other, True, now=clock.now_us())
    assert told(sqlite_spine, acme) == []
    assert told(sqlite_spine, other) == []
    with sqlite_spine.database.write() as connection:
        set_warning_off(connection, other, False, now=clock.now_us())
    assert [recipient for recipient, _ in told(sqlite_spine, other)] == ["maya@other.com", "nico@other.com"]


def test_what_is_archived_before_it_goes_is_no_news_but_after_a_change(sqlite_spine: Spine) -> None:
    scope = settled(sqlite_spine)
    assert told(sqlite_spine, scope, archived=True) == []
    with sqlite_spine.database.write() as connection:
        organizations.set_retention(connection, scope, 20, now=clock.now_us())
    assert "archived by the operator" in told(sqlite_spine, scope, later=1000, archived=True)[0][1]


def test_the_daily_purge_asks_for_it_once_it_is_done(sqlite_spine: Spine) -> None:
    scope = settled(sqlite_spine)
    asked = []
    purger = Purger(sqlite_spine.database, sqlite_spine.store, lambda org_id, _now: asked.append(org_id))
    for _ in range(5):
        purger.step()
    assert asked == [scope.org_id]
