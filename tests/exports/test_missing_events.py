"""Exports over a hole that was made in the real store: refused, or made with the hole named."""

import json
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from tallystick import clock
from tallystick.errors import Conflict
from tallystick.events.importers import own_export
from tallystick.exports import builder, files, request
from tallystick.exports.download import file_name
from tallystick.integrity.loss_acceptance import accept_loss
from tallystick.integrity.missing_events import MissingEvents
from tallystick.query.conditions import Equals, Query
from tallystick.query.scope import Scope
from tests.exports.export_driver import ask, exporter, show
from tests.fixtures.spine import Spine
from tests.render.reading import text_of

GAP = (4, 6)


@pytest.fixture
def acme(sqlite_spine: Spine) -> Scope:
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, *[{"action": "user.login"}] * 11)
    sqlite_spine.ship()
    return scope


def lose(spine: Spine, scope: Scope) -> None:
    spine.lose(scope, range(GAP[0], GAP[1] + 1))
    checks = MissingEvents(spine.database, spine.store)
    checks.step()
    checks.close()


def file_of(tmp_path: Path, scope: Scope, one: request.Export) -> Path:
    return files.path_of(tmp_path, scope.org_id, one.export_id)


def manifest_of(tmp_path: Path, scope: Scope, one: request.Export) -> dict[str, Any]:
    with zipfile.ZipFile(file_of(tmp_path, scope, one)) as bundle:
        found: dict[str, Any] = json.loads(bundle.read("manifest.json"))
    return found


def allowed(spine: Spine, scope: Scope, kind: str, tmp_path: Path) -> request.Export:
    with spine.database.write() as connection:
        one = request.request_export(connection, scope, kind, {}, now=clock.now_us(), allow_missing=True)
    work = exporter(spine, tmp_path)
    assert work.step()
    return show(spine, scope, one.public_id)


@pytest.mark.parametrize("kind", ["csv", "bundle"])
def test_an_export_over_a_hole_is_refused_with_the_hole_named(sqlite_spine: Spine, acme: Scope, kind: str) -> None:
    lose(sqlite_spine, acme)
    with pytest.raises(Conflict, match="4-6") as refusal:
        ask(sqlite_spine, acme, kind)
    assert refusal.value.code == "events_missing"


def test_the_hole_of_one_organization_refuses_no_export_of_another(sqlite_spine: Spine, acme: Scope) -> None:
    other = sqlite_spine.organization("globex")
    sqlite_spine.ship()
    lose(sqlite_spine, acme)
    assert ask(sqlite_spine, other)


def test_a_hole_that_is_noticed_after_the_request_fails_the_export(
    sqlite_spine: Spine, acme: Scope, tmp_path: Path
) -> None:
    public_id = ask(sqlite_spine, acme)
    lose(sqlite_spine, acme)
    assert exporter(sqlite_spine, tmp_path).step()
    one = show(sqlite_spine, acme, public_id)
    assert one.state == "failed"
    assert "4-6" in one.error


def test_an_export_that_allows_a_hole_names_it_in_the_list_and_in_the_trail(
    sqlite_spine: Spine, acme: Scope, tmp_path: Path
) -> None:
    lose(sqlite_spine, acme)
    one = allowed(sqlite_spine, acme, "csv", tmp_path)
    assert (one.state, one.rows, one.missing_text) == ("completed", 9, "4-6")
    sqlite_spine.sequencer.tick([])
    sqlite_spine.ship()
    (event,) = sqlite_spine.finder.page(acme, Query(Equals("action", (request.EXPORTED,)))).data
    assert msgspec.json.decode(event.details)["metadata"]["missing"] == "4-6"


def test_a_bundle_that_allows_a_hole_has_all_other_events(sqlite_spine: Spine, acme: Scope, tmp_path: Path) -> None:
    lose(sqlite_spine, acme)
    one = allowed(sqlite_spine, acme, "bundle", tmp_path)
    assert (one.state, json.loads(one.missing)) == ("completed", [list(GAP)])
    assert one.rows == 9
    assert manifest_of(tmp_path, acme, one)["missing"] == [list(GAP)]


def test_a_parquet_file_names_the_hole_in_its_own_bytes(sqlite_spine: Spine, acme: Scope, tmp_path: Path) -> None:
    lose(sqlite_spine, acme)
    table = allowed(sqlite_spine, acme, "parquet", tmp_path)
    assert pq.read_metadata(file_of(tmp_path, acme, table)).metadata[b"tallystick.missing"] == b"4-6"


def test_the_last_line_of_ndjson_names_the_hole_and_is_no_event_when_it_is_sent_again(
    sqlite_spine: Spine, acme: Scope, tmp_path: Path
) -> None:
    lose(sqlite_spine, acme)
    one = allowed(sqlite_spine, acme, "ndjson", tmp_path)
    content = file_of(tmp_path, acme, one).read_bytes()
    assert json.loads(content.splitlines()[-1]) == {"missing": [list(GAP)]}
    assert len(list(own_export.read([content]))) == one.rows == 9


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_form_without_a_place_for_it_says_in_the_name_of_its_file_that_it_is_incomplete(
    sqlite_spine: Spine, acme: Scope, tmp_path: Path, kind: str
) -> None:
    whole = made_of(sqlite_spine, acme, kind, tmp_path)
    assert file_name(whole).endswith(f"{whole.public_id}.{kind}")
    lose(sqlite_spine, acme)
    holed = allowed(sqlite_spine, acme, kind, tmp_path)
    assert file_name(holed).endswith(f"{holed.public_id}-incomplete.{kind}")


def made_of(spine: Spine, scope: Scope, kind: str, tmp_path: Path) -> request.Export:
    public_id = ask(spine, scope, kind)
    work = exporter(spine, tmp_path)
    assert work.step()
    work.close()
    return show(spine, scope, public_id)


def test_a_hole_that_is_noticed_while_the_file_is_written_begins_it_anew(
    sqlite_spine: Spine, acme: Scope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(sqlite_spine, acme)
    with sqlite_spine.database.write() as connection:
        one = request.request_export(connection, acme, "ndjson", {}, now=clock.now_us(), allow_missing=True)
    work = exporter(sqlite_spine, tmp_path)
    real = builder.extent

    def losing(*arguments: Any) -> Any:
        monkeypatch.setattr(builder, "extent", real)
        sqlite_spine.lose(acme, [8])
        MissingEvents(sqlite_spine.database, sqlite_spine.store).step()
        return real(*arguments)

    monkeypatch.setattr(builder, "extent", losing)
    work.step()
    assert show(sqlite_spine, acme, one.public_id).is_open
    work.step(clock.now_us() + 60_000_000)
    done = show(sqlite_spine, acme, one.public_id)
    assert json.loads(file_of(tmp_path, acme, done).read_bytes().splitlines()[-1]) == {"missing": [[4, 6], [8, 8]]}


def test_the_cover_of_a_pdf_names_the_hole(sqlite_spine: Spine, acme: Scope, tmp_path: Path) -> None:
    lose(sqlite_spine, acme)
    document = allowed(sqlite_spine, acme, "pdf", tmp_path)
    assert "events that are missing, among positions 4-6" in text_of(file_of(tmp_path, acme, document).read_bytes())


def test_exports_go_on_once_a_loss_is_accepted_and_name_it(sqlite_spine: Spine, acme: Scope, tmp_path: Path) -> None:
    lose(sqlite_spine, acme)
    accept_loss(sqlite_spine.database, sqlite_spine.store, "acme", GAP)
    sqlite_spine.sequencer.tick([])
    sqlite_spine.ship()
    public_id = ask(sqlite_spine, acme, "bundle")
    assert exporter(sqlite_spine, tmp_path).step()
    one = show(sqlite_spine, acme, public_id)
    assert (one.state, one.missing, one.lost_text) == ("completed", "", "4-6")
    assert manifest_of(tmp_path, acme, one)["lost"] == [list(GAP)]
    sqlite_spine.sequencer.tick([])
    sqlite_spine.ship()
    (event,) = sqlite_spine.finder.page(acme, Query(Equals("action", (request.EXPORTED,)))).data
    assert msgspec.json.decode(event.details)["metadata"]["lost"] == "4-6"
