"""After an erasure no kept export holds what was erased."""

from sqlalchemy import update

from tallystick.erasure.export_files import ExportFiles
from tallystick.erasure.subject import SubjectMatcher
from tallystick.exports import files
from tallystick.exports.tables import exports
from tests.erasure.erasure_driver import SARAH, by_sarah, erase, eraser
from tests.exports.export_driver import ask, exporter, made, show
from tests.fixtures.spine import Spine


def test_files_made_before_it_are_deleted_and_say_why(sqlite_spine: Spine, tmp_path):
    scope, other = sqlite_spine.organization(), sqlite_spine.organization("other")
    sqlite_spine.record(scope, by_sarah())
    sqlite_spine.ship()
    work = exporter(sqlite_spine, tmp_path)
    made(sqlite_spine, scope, work, "csv", user="sarah@acme.com")
    kept = made(sqlite_spine, other, work, "csv")
    waits = ask(sqlite_spine, scope, "csv", user="sarah@acme.com")
    erase(sqlite_spine, scope, eraser(sqlite_spine, tmp_path), SARAH)
    assert [path.read_bytes() for path in files.list_files(tmp_path)] == [kept]
    one = show(sqlite_spine, scope, waits)
    assert (one.state, one.filter) == ("failed", {"user": ["[erased]"]})
    place = ExportFiles(sqlite_spine.database, tmp_path)
    assert place.count(scope.org_id, SubjectMatcher(SARAH)) == 0
    assert place.erase(scope.org_id, SubjectMatcher(SARAH)) == 0


def test_one_that_is_being_made_begins_again(sqlite_spine: Spine, tmp_path):
    scope = sqlite_spine.organization()
    sqlite_spine.ship()
    work = exporter(sqlite_spine, tmp_path)
    public_id = ask(sqlite_spine, scope)
    with sqlite_spine.database.write() as connection:
        connection.execute(update(exports).values(state="running", run=1))
    ExportFiles(sqlite_spine.database, tmp_path).erase(scope.org_id, SubjectMatcher(SARAH))
    assert show(sqlite_spine, scope, public_id).state == "queued"
    assert work.step()
    assert show(sqlite_spine, scope, public_id).state == "completed"
