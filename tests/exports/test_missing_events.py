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
from tallystick.exports import files, request
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
