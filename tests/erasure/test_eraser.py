"""An erasure from the request to the disk, on both control databases and the real store."""

from pathlib import Path

import pytest

from tallystick import clock
from tallystick.clock import DAY_US, SECOND_US
from tallystick.erasure import request
from tallystick.erasure.eraser import Eraser
from tallystick.erasure.subject import Subject
from tallystick.errors import BadRequest, Conflict, Forbidden
from tallystick.events.output import event_of
from tallystick.merkle.remains import lost_parts
from tallystick.query.conditions import Contains, Query, exactly
from tallystick.query.scope import Scope
from tallystick.retention import holds
from tallystick.search.integrity import differences
from tallystick.store import erasing
from tallystick.store.errors import StoreError
from tests.erasure.erasure_driver import (
    MAYA,
    NICO,
    SARAH,
    ask,
    by_sarah,
    confirm,
    erase,
    eraser,
    event,
    events,
    records,
    run,
)
from tests.erasure.erasure_driver import show as shown
from tests.fixtures.spine import Spine

pytestmark = [pytest.mark.one_engine, pytest.mark.both_stores]


@pytest.fixture
def work(spine: Spine, tmp_path: Path) -> Eraser:
    return eraser(spine, tmp_path)


def lost_by_index(spine: Spine, scope: Scope) -> dict[int, tuple[str, ...]]:
    return {index: parts for index, one in events(spine, scope).items() if (parts := lost_parts(one.remains))}


@pytest.mark.both_stores
def test_a_person_goes_as_actor_as_resource_and_out_of_the_details_and_everything_else_stays(
    spine: Spine, work: Eraser
) -> None:
    scope = spine.organization()
    sent = spine.record(
        scope,
        by_sarah(changes={"a": 1}),
        event(resource={"type": "user", "id": "usr_9", "name": "sarah@acme.com"}),
        event(changes={"owner": {"before": "SARAH@ACME.COM", "after": "john@acme.com"}}),
        event(description="Told sarah@acme.com."),
        event(metadata={"sarah@acme.com": True}),
        event(actor={"email": "ops@acme.com", "on_behalf_of": {"email": "sarah@acme.com"}}),
        event(external_id="import/sarah@acme.com/1"),
        event(description="notsarah@acme.com and sarah@acme.com.au"),
        by_sarah(description="for sarah@acme.com", resource={"type": "user", "id": "x", "name": "<sarah@acme.com>"}),
    ).events
    spine.ship()
    erase(spine, scope, work)
    first = sent[0].index
    assert lost_by_index(spine, scope) == {
        first: ("who",),
        first + 1: ("target",),
        first + 2: ("details",),
        first + 3: ("details",),
        first + 4: ("details",),
        first + 5: ("who",),
        first + 6: ("what",),
        first + 8: ("target", "who", "details"),
    }
    whole = events(spine, scope)
    assert not any(b"sarah@acme.com" in part.lower() for one in whole.values() for part in (one.what, one.who))
    shows = event_of(whole[first])
    assert (shows["erased"], shows["changes"], shows["actor"], "context" in shows) == (["who"], {"a": 1}, {}, False)
    assert event_of(whole[first + 6])["action"] == ""


def test_the_trail_says_exactly_what_went_and_nothing_of_whom(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    sent = spine.record(scope, by_sarah(), by_sarah(), event(), by_sarah(description="of sarah@acme.com")).events
    spine.ship()
    public_id = erase(spine, scope, work)
    first = sent[0].index
    said = {one["indexes"]: one for one in records(spine, scope)}
    assert {indexes: one["parts"] for indexes, one in said.items()} == {
        f"{first}-{first + 1}": "who",
        str(first + 3): "who,details",
    }
    for one in said.values():
        assert (one["erasure"], one["reason"]) == (public_id, "Request 17")
        assert (one["requested_by"], one["confirmed_by"]) == (MAYA.id, NICO.id)
    assert not any("sarah" in repr(one).lower() for one in events(spine, scope).values())


def test_no_search_finds_what_was_erased_and_every_search_what_is_left(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    spine.record(scope, by_sarah(description="kept words", resource={"type": "project", "name": "api"}))
    spine.ship()
    erase(spine, scope, work)
    for condition in (Contains("sarah"), Contains("192.0.2.9"), exactly("user", "sarah@acme.com")):
        assert spine.finder.page(scope, Query(condition), count="exact").total == 0
    for condition in (Contains("kept words"), exactly("resource", "api"), exactly("action", "project.updated")):
        assert spine.finder.page(scope, Query(condition), count="exact").total == 1


@pytest.mark.both_stores
def test_what_is_left_still_gives_its_entry_and_its_columns(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    spine.record(scope, by_sarah(changes={"x": ["sarah@acme.com", 1]}), by_sarah(request={"a": "b"}), event())
    spine.ship()
    erase(spine, scope, work)
    end = spine.size(scope.org_id)
    assert list(differences(spine.database, spine.store, scope, 0, end)) == []


@pytest.mark.both_engines
def test_nothing_is_erased_before_its_record_is_in_the_log(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    spine.record(scope, by_sarah())
    spine.ship()
    public_id = ask(spine, scope)
    run(spine, work)
    confirm(spine, scope, public_id)
    spine.sequencer.tick([])
    spine.ship()
    spine.sequencer.stop()
    for _ in range(20):
        work.step()
    assert lost_by_index(spine, scope) == {}
    run(spine, work)
    assert len(lost_by_index(spine, scope)) == 1


def test_an_event_that_is_not_stored_yet_is_waited_for(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    spine.ship()
    public_id = ask(spine, scope)
    run(spine, work)
    spine.record(scope, by_sarah())
    confirm(spine, scope, public_id)
    for _ in range(20):
        work.step()
        spine.sequencer.tick([])
    assert records(spine, scope) == []
    spine.ship()
    run(spine, work)
    assert len(lost_by_index(spine, scope)) == 1


def test_a_second_person_has_to_confirm(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    public_id = ask(spine, scope)
    with pytest.raises(Conflict, match="still being searched"):
        confirm(spine, scope, public_id)
    run(spine, work)
    with pytest.raises(Forbidden) as refused:
        confirm(spine, scope, public_id, by=MAYA)
    assert refused.value.code == "second_person_needed"
    assert confirm(spine, scope, public_id).state == "confirmed"


def test_what_is_under_a_hold_stays_and_is_counted(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    sent = spine.record(scope, by_sarah(resource={"type": "project", "name": "secret"}), by_sarah()).events
    spine.ship()
    with spine.database.write() as connection:
        holds.place(connection, scope, "Case 7", "resource:secret", now=clock.now_us())
    public_id = ask(spine, scope)
    run(spine, work)
    preview = shown(spine, scope, public_id).preview
    assert preview is not None
    assert (preview.trail.events, preview.trail.held) == (1, 1)
    confirm(spine, scope, public_id)
    run(spine, work)
    assert lost_by_index(spine, scope) == {sent[1].index: ("who",)}
    assert shown(spine, scope, public_id).held == 1


@pytest.mark.both_engines
def test_a_hold_that_is_placed_after_looking_counts_too(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    sent = spine.record(scope, by_sarah(resource={"type": "project", "name": "secret"}), by_sarah()).events
    spine.ship()
    public_id = ask(spine, scope)
    run(spine, work)
    confirm(spine, scope, public_id)
    work.step()
    work.step()  # the first run of rows is looked through
    with spine.database.write() as connection:
        holds.place(connection, scope, "Case 7", "resource:secret", now=clock.now_us())
    run(spine, work)
    assert lost_by_index(spine, scope) == {sent[1].index: ("who",)}


def test_the_preview_says_as_what_where_and_under_which_names(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    spine.record(scope, by_sarah(), event(description="sarah@acme.com"), event())
    spine.ship()
    public_id = ask(spine, scope)
    run(spine, work)
    found = shown(spine, scope, public_id)
    assert found.state == "ready"
    assert found.preview is not None
    trail = found.preview.trail
    assert (trail.events, trail.kinds, trail.parts) == (2, {"actor": 1, "details": 1}, {"who": 1, "details": 1})
    assert trail.names == {"email": ["Sarah@acme.com"], "name": ["Sarah Lin"]}


@pytest.mark.both_engines
def test_an_unconfirmed_request_is_forgotten_after_a_week_with_whom_it_was_about(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    public_id = ask(spine, scope)
    run(spine, work)
    run(spine, work, later=7 * DAY_US + 1)
    over = shown(spine, scope, public_id)
    assert (over.state, over.subject, over.preview) == ("expired", None, None)
    with pytest.raises(Conflict):
        confirm(spine, scope, public_id)


def test_a_cancelled_request_erases_nothing_and_forgets_the_person(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    spine.record(scope, by_sarah())
    spine.ship()
    public_id = ask(spine, scope)
    with spine.database.write() as connection:
        request.cancel(connection, scope, public_id, now=clock.now_us())
    run(spine, work)
    assert lost_by_index(spine, scope) == {}
    over = shown(spine, scope, public_id)
    assert (over.state, over.subject, over.preview) == ("cancelled", None, None)


def test_a_reason_that_names_the_person_is_refused(spine: Spine) -> None:
    scope = spine.organization()
    with pytest.raises(BadRequest) as refused:
        ask(spine, scope, reason="Sarah@acme.com asked")
    assert refused.value.code == "reason_names_subject"


def test_another_organization_loses_nothing(spine: Spine, work: Eraser) -> None:
    acme, charlie = spine.organization("acme"), spine.organization("charlie")
    for scope in (acme, charlie):
        spine.record(scope, by_sarah())
    spine.ship()
    erase(spine, acme, work)
    assert lost_by_index(spine, charlie) == {}
    assert len(lost_by_index(spine, acme)) == 1


def test_two_people_in_one_event_go_one_after_the_other(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    sent = spine.record(scope, by_sarah(resource={"type": "user", "name": "ines@acme.com"})).events[0].index
    spine.ship()
    erase(spine, scope, work)
    erase(spine, scope, work, Subject("ines@acme.com"))
    assert lost_by_index(spine, scope) == {sent: ("target", "who")}
    assert list(differences(spine.database, spine.store, scope, 0, spine.size(scope.org_id))) == []


@pytest.mark.parametrize("steps", range(12))
def test_whoever_comes_after_a_crash_goes_on(sqlite_spine: Spine, tmp_path: Path, steps: int) -> None:
    """Each worker does one step and dies; the next one comes when its lease has run out."""
    spine, scope = sqlite_spine, sqlite_spine.organization()
    sent = spine.record(scope, by_sarah(), by_sarah(description="sarah@acme.com")).events
    spine.ship()
    first = eraser(spine, tmp_path)
    public_id = ask(spine, scope)
    run(spine, first)
    confirm(spine, scope, public_id)
    for _ in range(steps):
        first.step()
        spine.sequencer.tick([])
        spine.ship()
    run(spine, eraser(spine, tmp_path), later=DAY_US)
    assert lost_by_index(spine, scope) == {sent[0].index: ("who",), sent[1].index: ("who", "details")}
    assert len(records(spine, scope)) == 2


def test_an_external_id_that_is_not_the_persons_still_keeps_the_event_from_coming_back(
    spine: Spine, work: Eraser
) -> None:
    scope = spine.organization()
    first = spine.record(scope, by_sarah(external_id="ci-1")).events[0]
    spine.ship()
    erase(spine, scope, work)
    again = spine.record(scope, by_sarah(external_id="ci-1")).events[0]
    assert (again.duplicate, again.index) == (True, first.index)


def test_the_records_that_explain_what_is_gone_keep_what_they_say(spine: Spine, work: Eraser) -> None:
    scope = spine.organization("sarah-org")
    spine.ship()
    erase(spine, scope, work, Subject("x@acme.com", also=("sarah-org",)))
    assert lost_by_index(spine, scope) == {0: ("target",)}
    assert SARAH.email


def test_what_the_store_finished_after_nobody_waited_any_more_is_not_rewritten(
    sqlite_spine: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large table takes longer than an answer is waited for: each try would begin anew, for ever."""
    spine, work, asked = sqlite_spine, eraser(sqlite_spine, tmp_path), []
    change = spine.store.change

    def late(statement: str, parameters: dict[str, object] | None = None) -> None:
        change(statement, parameters)
        if statement.startswith("ALTER TABLE events UPDATE"):
            asked.append(statement)
            raise StoreError("no answer in time")

    monkeypatch.setattr(spine.store, "change", late)
    scope = spine.organization()
    spine.record(scope, by_sarah())
    spine.ship()
    public_id = ask(spine, scope)
    run(spine, work)
    confirm(spine, scope, public_id)
    with pytest.raises(StoreError):
        run(spine, work)
    monkeypatch.setattr(erasing, "changes_are_running", lambda store: True)
    run(spine, work, later=2 * 60 * SECOND_US)
    assert shown(spine, scope, public_id).stage == "erase"
    monkeypatch.undo()
    monkeypatch.setattr(spine.store, "change", late)
    run(spine, work, later=4 * 60 * SECOND_US)
    assert shown(spine, scope, public_id).stage != "erase"
    assert len(asked) == 1
    assert lost_by_index(spine, scope) == {1: ("who",)}
