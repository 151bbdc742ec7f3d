"""Erasures and copies: when an erasure counts as complete, and until when copies hold what was erased."""

import os

import pytest
from sqlalchemy import select

from tallystick import clock
from tallystick.clock import DAY_US, HOUR_US
from tallystick.copies.copier import kept_us
from tallystick.copies.copies_until import forget_place, left_places
from tallystick.destinations.address_guard import TargetError
from tallystick.doctor.control_database import check_database
from tallystick.erasure.eraser import Eraser
from tallystick.erasure.personal_data import personal_data
from tallystick.erasure.request import Erasure
from tallystick.erasure.tables import FOR_EVER, erasures
from tallystick.query.scope import Scope
from tallystick.settings import Settings
from tallystick.store import erasing
from tests.copies.copies_driver import SECRET, Installation
from tests.erasure.erasure_driver import by_sarah, erase, run, show


@pytest.fixture
def erased(sqlite_installation: Installation, monkeypatch: pytest.MonkeyPatch) -> tuple[Scope, str, Eraser]:
    """An erasure beside copies whose place does not answer."""
    installation = sqlite_installation
    spine = installation.spine
    monkeypatch.setattr(erasing, "is_off_the_disk", lambda _store, _since: True)
    scope = spine.organization("acme")
    spine.record(scope, by_sarah())
    spine.ship()
    installation.copy()
    installation.storage.fails = True
    places = personal_data(spine.database, installation.home)
    work = Eraser(spine.database, spine.store, installation.home, places, copies=installation.copier)
    work.replay_at_start()
    return scope, erase(spine, scope, work), work


def completed(installation: Installation, scope: Scope, public_id: str, work: Eraser) -> Erasure:
    """The erasure once the place answers again."""
    installation.storage.fails = False
    installation.copy()
    run(installation.spine, work)
    found = show(installation.spine, scope, public_id)
    assert found.state == "completed"
    return found


def until(installation: Installation) -> int:
    with installation.spine.database.read() as connection:
        return connection.execute(select(erasures.c.copies_until)).scalar_one()


def test_no_erasure_is_complete_before_the_copies_have_its_list(sqlite_installation, erased):
    scope, public_id, work = erased
    installation = sqlite_installation
    before = show(installation.spine, scope, public_id)
    assert before.state != "completed"
    assert "is not in the continuous copies yet" in before.waits_for
    with pytest.raises(TargetError):
        installation.copy()
    run(installation.spine, work)
    assert "The S3 server cannot be reached" in show(installation.spine, scope, public_id).waits_for
    found = completed(installation, scope, public_id, work)
    assert found.waits_for == ""
    assert found.copies_until == (found.finished_at or 0) + kept_us(7)
    with installation.restored() as there:
        assert [event.index for event in there.trail(scope) if not event.who] == [1]


def test_an_erasure_is_in_copies_for_longer_where_full_copies_fail(sqlite_installation, erased):
    installation = sqlite_installation
    found = completed(installation, *erased)
    expected = found.copies_until or 0
    installation.copy(later=2 * HOUR_US)
    assert until(installation) == expected  # nothing is late
    installation.storage.fails = True
    with pytest.raises(TargetError):
        installation.copy(later=5 * DAY_US)
    assert until(installation) > expected + 3 * DAY_US
    installation.storage.fails = False
    installation.copy(later=5 * DAY_US + HOUR_US)  # a full copy without it
    expected = until(installation)
    installation.copy(later=6 * DAY_US)
    assert until(installation) == expected
    for later in (8, 9, 14, 20):
        installation.copy(later=later * DAY_US)
    assert until(installation) == expected  # it is gone


def test_copies_that_are_turned_off_or_moved_keep_what_was_erased_until_the_operator_deletes_them(
    sqlite_installation, erased
):
    installation = sqlite_installation
    completed(installation, *erased)
    copier, place = installation.copier, installation.storage.where
    copier._storage = None
    copier.step()
    assert until(installation) == FOR_EVER
    home = installation.home
    environ = {"DATA_DIR": str(home), "DATABASE_URL": f"sqlite:///{home}/tallystick.db", "SECRET_KEY": SECRET}
    settings = Settings.load({f"TALLYSTICK_{name}": value for name, value in environ.items()})
    assert any(f"tallystick copies forget {place}" in (one.advice or "") for one in check_database(settings))
    now = clock.now_us()
    with installation.spine.database.write() as connection:
        assert copier.erased_until(connection, now) == FOR_EVER
        assert forget_place(connection, place, now, 0)
        assert left_places(connection) == []
        assert not forget_place(connection, place, now, 0)
        assert copier.erased_until(connection, now) is None
    assert until(installation) == now


def test_what_killed_uploads_left_is_deleted_after_two_days(sqlite_installation):
    installation = sqlite_installation
    installation.spine.organization("acme")
    installation.copy()
    parts = [installation.home / "copies" / name for name in (".old.part", ".new.part")]
    for part in parts:
        part.write_bytes(b"personal data")
    os.utime(parts[0], (0, 0))
    installation.copy(later=2 * HOUR_US)
    assert [part.exists() for part in parts] == [False, True]
