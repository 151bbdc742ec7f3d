"""An export is fixed when it is asked for, is made as whoever asked for it, and is whole or not there."""

import json
import threading
from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from tallystick import clock
from tallystick.access import keys, members, people
from tallystick.access.scopes import api_key_scope, person_scope, user_principal
from tallystick.clock import DAY_US
from tallystick.errors import Conflict, Forbidden, NotFound
from tallystick.events.output import event_of
from tallystick.exports import files, request
from tallystick.exports.exporter import KEEP_DAYS, MAX_RUNS
from tallystick.exports.tables import exports
from tallystick.retention import exported_ranges
from tallystick.search.filters import query_from
from tallystick.store.errors import StoreError
from tallystick.work.disk_space import DiskSpace
from tests.exports.export_driver import ask, exporter, made, rows_of, show
from tests.fixtures.spine import Spine
from tests.fixtures.waiting import PATIENCE_SECONDS

EVENT = {"action": "thing.done"}


@pytest.fixture
def scope(sqlite_spine: Spine):
    made_scope = sqlite_spine.organization()
    sqlite_spine.record(made_scope, *[EVENT] * 30)
    sqlite_spine.ship()
    return made_scope


def indexes(content: bytes) -> list[int]:
    return sorted(json.loads(line)["index"] for line in content.splitlines())


def person(spine: Spine, scope, role: str, email: str = "sarah@acme.com"):
    with spine.database.write() as connection:
        member = people.create(connection, scope, email, role, now=clock.now_us(), name="Sarah")
    return member, person_scope(scope.org_id, user_principal(member.user_id, email, "Sarah"), role)


def told(spine: Spine, scope, action: str):
    """The newest event of an action in the trail."""
    spine.sequencer.tick([])
    spine.ship()
    page = spine.finder.page(scope, query_from({"action": [action]}, now=0), limit=1)
    return event_of(page.data[0])


def test_it_holds_the_log_as_it_was_when_it_was_asked_for(sqlite_spine: Spine, scope, tmp_path):
    work = exporter(sqlite_spine, tmp_path)
    public_id = ask(sqlite_spine, scope, "ndjson")
    sqlite_spine.record(scope, *[EVENT] * 10)
    sqlite_spine.ship()
    assert work.step()
    assert indexes(work.path(show(sqlite_spine, scope, public_id)).read_bytes()) == list(range(31))


def test_while_something_waits_to_be_recorded_it_goes_on_slower_and_is_whole(sqlite_spine: Spine, scope, tmp_path):
    asked: list[bool] = []

    def is_recording() -> bool:
        asked.append(True)
        return True

    work = exporter(sqlite_spine, tmp_path)
    work.is_recording = is_recording
    public_id = ask(sqlite_spine, scope, "ndjson")
    assert work.step()
    assert asked
    assert indexes(work.path(show(sqlite_spine, scope, public_id)).read_bytes()) == list(range(31))


def test_a_long_export_lets_those_of_other_organizations_come_before_it(
    sqlite_spine: Spine, scope, tmp_path, monkeypatch
):
    monkeypatch.setattr("tallystick.exports.exporter.TURN_SECONDS", 0)
    others = [sqlite_spine.organization(f"other-{number}") for number in range(2)]
    sqlite_spine.ship()
    waiting: list[str] = []

    def build(one, _scope, target, watch) -> int:
        for _ in range(5):
            watch(1)
        states = [show(sqlite_spine, other, public_id).state for other, public_id in zip(others, waiting, strict=True)]
        target.write(" ".join(states).encode())
        return 0

    work = exporter(sqlite_spine, tmp_path, builders={"report": build})
    with sqlite_spine.database.write() as connection:
        long = request.queue_export(connection, scope, "report", "{}", now=clock.now_us())
        mine = request.queue_export(connection, scope, "report", "{}", now=clock.now_us())
    waiting += [ask(sqlite_spine, other) for other in others]
    while show(sqlite_spine, scope, long.public_id).is_open:
        assert work.step()
    assert work.path(show(sqlite_spine, scope, long.public_id)).read_bytes() == b"completed completed"
    assert show(sqlite_spine, scope, mine.public_id).state == "queued"


def test_no_answer_of_the_event_store_is_half_read_while_another_export_has_its_turn(
    sqlite_spine: Spine, scope, tmp_path, monkeypatch
):
    monkeypatch.setattr("tallystick.search.scan.STREAM_SECONDS", -1.0)
    other = sqlite_spine.organization("other")
    sqlite_spine.ship()
    work = exporter(sqlite_spine, tmp_path)
    store = work._builder._store
    in_use: list[int] = []
    build = work._let_others

    def watched() -> None:
        in_use.append(store.connections()[0])
        build()

    monkeypatch.setattr(work, "_let_others", watched)
    long, theirs = ask(sqlite_spine, scope, "ndjson"), ask(sqlite_spine, other, "ndjson")
    work._last_org = other.org_id
    assert work.step()
    assert set(in_use) == {0}
    assert show(sqlite_spine, other, theirs).state == "completed"
    assert indexes(work.path(show(sqlite_spine, scope, long)).read_bytes()) == list(range(31))


def test_an_export_that_cannot_be_finished_fails_none_that_let_it_come_before(
    sqlite_spine: Spine, scope, tmp_path, monkeypatch
):
    monkeypatch.setattr("tallystick.exports.exporter.TURN_SECONDS", 0)
    other = sqlite_spine.organization("other")
    sqlite_spine.ship()

    def finish(one, *arguments) -> None:
        if one.org_id == other.org_id:
            raise OperationalError("UPDATE exports", {}, Exception("database is locked"))
        finish_any(one, *arguments)

    work = exporter(sqlite_spine, tmp_path, builders={"report": lambda _one, _scope, _target, watch: watch(1) or 0})
    finish_any = work._finish
    monkeypatch.setattr(work, "_finish", finish)
    with sqlite_spine.database.write() as connection:
        long = request.queue_export(connection, scope, "report", "{}", now=clock.now_us())
    public_id = ask(sqlite_spine, other)
    work._last_org = other.org_id
    while show(sqlite_spine, scope, long.public_id).is_open:
        assert work.step()
    assert show(sqlite_spine, scope, long.public_id).state == "completed"
    assert show(sqlite_spine, other, public_id).is_open


def test_an_export_that_met_an_outage_of_the_control_database_is_built_again(sqlite_spine: Spine, scope, tmp_path):
    def deletions(_org_id):
        raise OperationalError("SELECT", {}, Exception("the connection was closed"))

    work = exporter(sqlite_spine, tmp_path, deletions=deletions)
    public_id = ask(sqlite_spine, scope, "bundle")
    work.step()
    assert show(sqlite_spine, scope, public_id).state == "queued"


def test_it_waits_until_all_of_that_is_stored(sqlite_spine: Spine, scope, tmp_path):
    work = exporter(sqlite_spine, tmp_path)
    sqlite_spine.record(scope, EVENT)
    public_id = ask(sqlite_spine, scope, "ndjson")
    assert not work.step()
    sqlite_spine.ship()
    assert work.step()
    assert show(sqlite_spine, scope, public_id).rows == 32


def test_the_trail_says_who_exported_what(sqlite_spine: Spine, scope, tmp_path):
    work = exporter(sqlite_spine, tmp_path)
    made(sqlite_spine, scope, work, "csv", q="thing")
    event = told(sqlite_spine, scope, "audit_log.exported")
    assert event["metadata"]["filter"] == {"q": ["thing"]}
    assert event["metadata"]["rows"] == 30
    assert event["context"]["ip_address"] == "192.0.2.1"


def test_a_member_exports_what_it_sees(sqlite_spine: Spine, scope, tmp_path):
    work = exporter(sqlite_spine, tmp_path)
    sqlite_spine.record(scope, {"action": "thing.hers", "actor": {"email": "sarah@acme.com"}})
    _, sarah = person(sqlite_spine, scope, "member")
    found = rows_of("csv", made(sqlite_spine, sarah, work, "csv"))
    assert [row["action"] for row in found] == ["thing.hers"]


def test_a_member_sees_no_export_that_was_made_with_a_wider_view(sqlite_spine: Spine, scope, tmp_path):
    _, owner = person(sqlite_spine, scope, "admin")
    public_id = ask(sqlite_spine, owner)
    less = person_scope(scope.org_id, owner.principal, "member")
    with sqlite_spine.database.read() as connection:
        assert request.list_exports(connection, less) == []
        assert [one.public_id for one in request.list_exports(connection, owner)] == [public_id]
        with pytest.raises(NotFound):
            request.find_export(connection, less, public_id)


def test_a_role_that_changed_before_it_is_made_ends_it(sqlite_spine: Spine, scope, tmp_path):
    work = exporter(sqlite_spine, tmp_path)
    member, admin = person(sqlite_spine, scope, "admin")
    public_id = ask(sqlite_spine, admin)
    with sqlite_spine.database.write() as connection:
        members.change_role(connection, scope, member.user_id, "member", now=clock.now_us())
    assert work.step()
    one = show(sqlite_spine, scope, public_id)
    assert one.state == "failed"
    assert "requested this as admin and is now member" in one.error
    assert told(sqlite_spine, scope, "audit_log.export_failed")["metadata"]["error"] == one.error
    assert list(files.list_files(tmp_path)) == []


def test_a_person_without_access_and_a_revoked_key_get_nothing_made(sqlite_spine: Spine, scope, tmp_path):
    work = exporter(sqlite_spine, tmp_path)
    _, sarah = person(sqlite_spine, scope, "auditor")
    now = clock.now_us()
    with sqlite_spine.database.write() as connection:
        keys.create_key(connection, scope, "ci", ["exports"], now=now)
        (key,) = keys.list_keys(connection, scope)
    by_key = api_key_scope(scope.org_id, key.key_id, key.name, key.scopes)
    asked = [ask(sqlite_spine, sarah), ask(sqlite_spine, by_key)]
    with sqlite_spine.database.write() as connection:
        people.set_disabled(connection, "sarah@acme.com", True, now=now)
        keys.revoke_key(connection, scope, key.key_id, now=now)
    assert [work.step(), work.step()] == [True, True]
    ended = [show(sqlite_spine, scope, public_id) for public_id in asked]
    assert [one.state for one in ended] == ["failed", "failed"]
    assert "no longer has access" in ended[0].error
    assert "was revoked" in ended[1].error


def test_a_run_that_died_is_begun_again_and_not_for_ever(sqlite_spine: Spine, scope, tmp_path):
    work = exporter(sqlite_spine, tmp_path)
    public_id = ask(sqlite_spine, scope, "ndjson")
    path = work.path(show(sqlite_spine, scope, public_id))
    path.parent.mkdir(parents=True)
    path.with_name(path.name + files.UNFINISHED).write_bytes(b"half of")
    for run, state in ((1, "completed"), (MAX_RUNS, "failed")):
        with sqlite_spine.database.write() as connection:
            connection.execute(update(exports).values(state="running", run=run))
        assert work.step()
        assert show(sqlite_spine, scope, public_id).state == state
        assert path.exists() == (state == "completed")
    assert list(files.list_files(tmp_path)) == []


def test_cancelling_ends_it_while_it_is_made_and_leaves_no_file(sqlite_spine: Spine, scope, tmp_path, monkeypatch):
    monkeypatch.setattr("tallystick.exports.exporter.CHECK_SECONDS", 0)
    work = exporter(sqlite_spine, tmp_path)
    public_id = ask(sqlite_spine, scope, "ndjson")
    begun, go_on = threading.Event(), threading.Event()
    check = DiskSpace.check

    def pause(disk):
        check(disk)
        if begun.is_set():
            go_on.wait(PATIENCE_SECONDS)
        begun.set()

    monkeypatch.setattr(DiskSpace, "check", pause)
    running = threading.Thread(target=work.step)
    running.start()
    assert begun.wait(PATIENCE_SECONDS)
    with sqlite_spine.database.write() as connection:
        assert request.end_export(connection, scope, public_id, now=clock.now_us()).state == "cancelled"
    go_on.set()
    running.join()
    assert show(sqlite_spine, scope, public_id).state == "cancelled"
    assert list(files.list_files(tmp_path)) == []


def test_a_file_goes_after_its_time_and_one_that_nobody_knows_at_once(sqlite_spine: Spine, scope, tmp_path):
    work = exporter(sqlite_spine, tmp_path)
    made(sqlite_spine, scope, work, "csv")
    (path,) = files.list_files(tmp_path)
    path.with_name("f" * 32).write_bytes(b"left over")
    work.clean_up(clock.now_us())
    assert list(files.list_files(tmp_path)) == [path]
    assert path.stat().st_mode & 0o777 == 0o600
    work.clean_up(clock.now_us() + (KEEP_DAYS + 1) * DAY_US)
    assert list(files.list_files(tmp_path)) == []
    with sqlite_spine.database.read() as connection:
        assert [one.gone for one in request.list_exports(connection, scope)] == ["expired"]


def test_a_row_whose_file_is_lost_says_so(sqlite_spine: Spine, scope, tmp_path):
    work = exporter(sqlite_spine, tmp_path)
    made(sqlite_spine, scope, work, "csv")
    next(files.list_files(tmp_path)).unlink()
    work.clean_up(clock.now_us())
    with sqlite_spine.database.read() as connection:
        (one,) = request.list_exports(connection, scope)
        assert one.gone == "lost"
        with pytest.raises(NotFound, match="restored without it"):
            request.find_downloadable(connection, scope, one.public_id)


def test_a_full_disk_is_said_and_nothing_is_left(sqlite_spine: Spine, scope, tmp_path, monkeypatch):
    work = exporter(sqlite_spine, tmp_path, disk=DiskSpace(tmp_path, 1 << 62))
    public_id = ask(sqlite_spine, scope)
    now = clock.now_us()
    for run in range(MAX_RUNS):
        assert work.step(now + run * 60_000_000)
    one = show(sqlite_spine, scope, public_id)
    assert (one.state, "must free up space" in one.error) == ("failed", True)


def test_what_left_in_full_is_noted_when_it_was_taken(sqlite_spine: Spine, scope, tmp_path):
    work = exporter(sqlite_spine, tmp_path, record_ranges=exported_ranges.add_ranges)
    for kind in ("csv", "ndjson"):
        public_id = ask(sqlite_spine, scope, kind)
        assert work.step()
        work.finish_download(show(sqlite_spine, scope, public_id))
        with sqlite_spine.database.read() as connection:
            assert exported_ranges.read_ranges(connection, scope) == ([] if kind == "csv" else [(0, 30)])


def test_organizations_come_in_turn(sqlite_spine: Spine, scope, tmp_path):
    work = exporter(sqlite_spine, tmp_path)
    other = sqlite_spine.organization("other")
    sqlite_spine.ship()
    many = [ask(sqlite_spine, scope) for _ in range(5)]
    one = ask(sqlite_spine, other)
    work.step()
    work.step()
    assert show(sqlite_spine, other, one).state == "completed"
    assert sum(show(sqlite_spine, scope, public_id).state == "completed" for public_id in many) == 1


def test_only_so_many_wait_and_only_for_who_may(sqlite_spine: Spine, scope, monkeypatch):
    monkeypatch.setattr(request, "MAX_WAITING", 2)
    ask(sqlite_spine, scope)
    ask(sqlite_spine, scope)
    with pytest.raises(Conflict, match="already waiting"):
        ask(sqlite_spine, scope)
    with pytest.raises(Forbidden):
        ask(sqlite_spine, replace(scope, permissions=frozenset({"events:read"})))


@pytest.mark.parametrize("problem", [StoreError("away"), Conflict("not any more"), ZeroDivisionError()])
def test_whoever_lost_an_export_to_another_process_spoils_nothing(sqlite_spine: Spine, scope, tmp_path, problem):
    other = exporter(sqlite_spine, tmp_path)

    def deletions(_org_id):
        with sqlite_spine.database.write() as connection:  # the lease ran out, and another began it again
            connection.execute(update(exports).values(run=2))
        file = other.path(show(sqlite_spine, scope, public_id))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("of the other process")
        raise problem

    work = exporter(sqlite_spine, tmp_path, deletions=deletions)
    public_id = ask(sqlite_spine, scope, "bundle")
    work.step()
    one = show(sqlite_spine, scope, public_id)
    assert (one.state, one.run) == ("running", 2)
    assert other.path(one).read_text() == "of the other process"
