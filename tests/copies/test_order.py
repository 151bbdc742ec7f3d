"""The order of copies, and the moments that they hold, whatever the clock says."""

import io

import pytest

from tallystick import clock
from tallystick.backup import create
from tallystick.clock import DAY_US, HOUR_US
from tallystick.copies import full_copy
from tallystick.copies.generations import list_generations
from tallystick.errors import Outage
from tests.copies.copies_driver import Installation
from tests.copies.test_copier import state_of
from tests.copies.test_restore import events

LEAP_US = 400 * DAY_US


def leap(monkeypatch: pytest.MonkeyPatch, by: int) -> None:
    """Let the clock be ahead by this much (µs)."""
    real = clock.time.time_ns
    monkeypatch.setattr(clock.time, "time_ns", lambda: real() + by * 1000)


def test_copies_go_on_after_a_clock_was_ahead_and_every_moment_can_be_restored(sqlite_installation, monkeypatch):
    installation = sqlite_installation
    spine = installation.spine
    scope = installation.begin()
    spine.record(scope, *events("a"))
    installation.copy()
    first = clock.now_us()
    with monkeypatch.context() as patch:
        leap(patch, LEAP_US)
        spine.record(scope, *events("b"))
        installation.copier.step()  # into a full copy too, since a day is over
    spine.record(scope, *events("c"))
    installation.copy()
    assert 0 <= clock.now_us() - (state_of(installation).full_at or 0) < HOUR_US
    second, size = clock.now_us(), spine.size(scope.org_id)
    spine.record(scope, *events("d"))
    installation.copy()
    generations = list_generations(installation.storage)
    assert [one.number for one in generations] == [1, 2, 3]
    assert all(one.begun_at < clock.now_us() for one in generations)
    for at, length in ((first, 2), (second, size), (None, size + 1)):
        with installation.restored(at) as there:
            assert there.done.restarted["acme"].size == length


def test_copies_with_the_names_of_the_first_version_are_read_and_go_on(sqlite_installation):
    installation = sqlite_installation
    spine = installation.spine
    scope = installation.begin()
    spine.record(scope, *events("a"))
    installation.copy()
    (generation,) = list_generations(installation.storage)
    old = generation.name[7:-9]
    for key in generation.keys:
        content = io.BytesIO()
        installation.storage.get(key, content)
        name = key.partition("/")[2]
        kind, _, rest = name.partition("-")
        installation.storage.put(f"{old}/{name if '/' in name else kind + rest[10:]}", content)
        installation.storage.delete(key)
    assert [(one.name, one.is_complete) for one in list_generations(installation.storage)] == [(old, True)]
    spine.record(scope, *events("b"))
    installation.copy(later=DAY_US)
    installation.storage.delete(f"{list_generations(installation.storage)[0].name}/full/manifest.json")
    with installation.restored() as there:
        assert there.done.restarted["acme"].size == spine.size(scope.org_id)


def while_full_copy(installation: Installation, monkeypatch: pytest.MonkeyPatch, work) -> None:
    """Make a full copy, and do `work` once its moment is fixed and before its first file."""
    real = create.control_database.tables_to_copy

    def working(*arguments):
        work()
        installation.copier._round_at = float("-inf")  # a round is due
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(create.control_database, "tables_to_copy", working)
        installation.copy(later=DAY_US)


@pytest.mark.parametrize("is_first", [False, True])
def test_a_full_copy_that_takes_longer_than_the_journal_keeps_events_is_made_once(
    sqlite_installation, monkeypatch, is_first
):
    installation = sqlite_installation
    spine = installation.spine
    scope = spine.organization("acme")
    spine.record(scope, *events("a"))
    spine.ship()
    if not is_first:
        installation.copy()
    put = installation.storage.put

    def forgetful(key, file):
        sent = put(key, file)
        if "/events-" in key:  # it is copied by now
            spine.ship()
            spine.forget_tail(scope, range(spine.size(scope.org_id)))
        return sent

    monkeypatch.setattr(installation.storage, "put", forgetful)
    while_full_copy(installation, monkeypatch, lambda: spine.record(scope, *events("b")))
    made = installation.files("/full/manifest.json")
    installation.copy()
    assert installation.files("/full/manifest.json") == made
    spine.record(scope, *events("c"))
    installation.copy()
    with installation.restored() as there:
        found = [event.index for event in there.trail(scope)]
        assert found == list(range(there.log(scope).size))
        assert there.done.restarted["acme"].size == spine.size(scope.org_id)


def test_a_tail_that_does_not_reach_from_one_round_to_the_next_is_said(sqlite_installation, monkeypatch):
    installation = sqlite_installation
    spine = installation.spine
    scope = spine.organization("acme")
    spine.ship()

    def lose() -> None:
        index = spine.record(scope, *events("b")).events[0].index
        spine.ship()
        spine.forget_tail(scope, [index])

    with pytest.raises(Outage, match="TALLYSTICK_JOURNAL_TAIL_MB"):
        while_full_copy(installation, monkeypatch, lose)
    assert "TALLYSTICK_JOURNAL_TAIL_MB" in state_of(installation).problem


def test_a_full_copy_has_the_name_of_the_moment_that_it_holds(sqlite_installation, monkeypatch):
    installation = sqlite_installation
    spine = installation.spine
    scope = installation.begin()
    pause = full_copy.deletions_paused
    moments: list[int] = []

    def pause_late(*arguments):
        moments.append(clock.now_us())
        spine.record(scope, *events("a"))  # the full copy was begun, and will have it
        return pause(*arguments)

    monkeypatch.setattr(full_copy, "deletions_paused", pause_late)
    installation.copy(later=DAY_US)
    assert len(installation.files("/full/manifest.json")) == 2
    with installation.restored(moments[0]) as there:
        assert there.done.restarted["acme"].size == 1
