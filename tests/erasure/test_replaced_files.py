"""What was moved aside in the data directory is reached by an erasure, or keeps it open."""

from pathlib import Path

import pyarrow as pa
import pytest

from tallystick.backup.manifest import NewFile
from tallystick.clock import SECOND_US
from tallystick.erasure.eraser import PAUSE_SECONDS
from tallystick.errors import Unavailable
from tallystick.query.scope import Scope
from tallystick.store import transfer
from tallystick.store.windows import Window
from tests.erasure.erasure_driver import ask, by_sarah, confirm, eraser, event, run, show
from tests.erasure.leftovers import holding
from tests.fixtures.spine import Spine


def trimmed(spine: Spine, folder: Path, name: str, *scopes: Scope) -> Path:
    """A file as restart-log writes it."""
    with NewFile(folder, name) as file:
        for scope in scopes:
            for piece in transfer.rows_of(spine.store, scope, Window(None, None), 0, 1_000):
                file.write(piece)
    return folder / name


def rows(path: Path) -> list[str]:
    with path.open("rb") as source, pa.ipc.open_stream(source) as reader:
        return list(reader.read_all()["actor_email"].to_pylist())


def test_rows_that_speak_of_the_person_leave_the_file_and_nobody_elses(sqlite_spine: Spine, tmp_path: Path) -> None:
    spine = sqlite_spine
    acme, charlie = spine.organization("acme"), spine.organization("charlie")
    for scope in (acme, charlie):
        spine.record(scope, by_sarah(), event(description="kept"), event(description="of sarah@acme.com"))
    spine.ship()
    home = tmp_path / "data"
    home.mkdir()
    mine, other = trimmed(spine, home, "trimmed-acme-1.arrow", acme), trimmed(spine, home, "trimmed-c-2.arrow", charlie)
    (home / "trimmed-acme-0.arrow.part").write_bytes(b"half of sarah@acme.com")
    before = other.read_bytes()
    work = eraser(spine, home)
    public_id = ask(spine, acme)
    run(spine, work)
    preview = show(spine, acme, public_id).preview
    assert preview is not None
    assert preview.places["replaced files"] == 2
    confirm(spine, acme, public_id)
    run(spine, work)
    assert rows(mine) == ["", "john@acme.com"]
    assert mine.stat().st_mode & 0o077 == 0
    assert other.read_bytes() == before
    assert not {str(mine), str(home / "trimmed-acme-0.arrow.part")} & set(holding(home, [b"sarah"]))


def test_what_a_restore_replaced_keeps_the_erasure_open_until_it_is_gone(sqlite_spine: Spine, tmp_path: Path) -> None:
    spine, home = sqlite_spine, tmp_path / "data"
    (home / "events.replaced-20260101T000000Z").mkdir(parents=True)
    scope = spine.organization("acme")
    spine.record(scope, by_sarah())
    spine.ship()
    work = eraser(spine, home)
    public_id = ask(spine, scope)
    run(spine, work)
    confirm(spine, scope, public_id)
    with pytest.raises(Unavailable):
        run(spine, work)
    assert "events.replaced-20260101T000000Z" in show(spine, scope, public_id).waits_for
    (home / "events.replaced-20260101T000000Z").rmdir()
    run(spine, work, later=(PAUSE_SECONDS + 1) * SECOND_US)
    assert show(spine, scope, public_id).stage == "scrub"
