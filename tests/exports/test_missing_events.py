"""Exports over a hole that was made in the real store: refused, or made with the hole named."""

import json
from pathlib import Path

import msgspec
import pytest

from tallystick import clock
from tallystick.errors import Conflict
from tallystick.exports import request
from tallystick.integrity.missing_events import MissingEvents
from tallystick.query.conditions import Equals, Query
from tallystick.query.scope import Scope
from tests.exports.export_driver import ask, exporter, show
from tests.fixtures.spine import Spine

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
