"""The same filter gives the same events in every format, whatever they say."""

import io
import json
import zipfile

import pytest

from tallystick.access.scopes import person_scope
from tallystick.events.output import event_of
from tallystick.query.scope import Principal
from tallystick.search.filters import query_from
from tests.exports.export_driver import AWKWARD, awkward, exporter, made, rows_of
from tests.fixtures.spine import Spine
from tests.render.reading import text_of

FILTER = {"action": ["thing.done", "thing.failed"]}
FORMATS = ("csv", "json", "ndjson", "parquet")


@pytest.fixture
def trail(sqlite_spine: Spine):
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, *awkward())
    sqlite_spine.ship()
    return scope


@pytest.mark.parametrize("shipped", [True, False])
def test_every_format_holds_the_same_events_newest_first(sqlite_spine: Spine, tmp_path, shipped):
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, *awkward())
    if shipped:
        sqlite_spine.ship()
    work = exporter(sqlite_spine, tmp_path)
    files = {kind: made(sqlite_spine, scope, work, kind, **FILTER) for kind in FORMATS}
    wanted = rows_of("ndjson", files["ndjson"])
    assert len(wanted) == len(AWKWARD)
    assert [row["changes"]["text"] for row in wanted] == AWKWARD[::-1]
    for kind in ("json", "parquet"):
        assert rows_of(kind, files[kind]) == wanted
    harmless = [{**row, **{name: _harmless(row[name]) for name in ("user", "resource")}} for row in wanted]
    assert rows_of("csv", files["csv"]) == harmless


def test_json_is_what_the_api_answers(sqlite_spine: Spine, trail, tmp_path):
    work = exporter(sqlite_spine, tmp_path)
    events = json.loads(made(sqlite_spine, trail, work, "json"))
    page = sqlite_spine.finder.page(trail, query_from({}, now=0), limit=100)
    assert events == [event_of(stored) for stored in page.data]


def test_the_csv_has_one_header_line_and_names_its_zone(sqlite_spine: Spine, trail, tmp_path):
    content = made(sqlite_spine, trail, exporter(sqlite_spine, tmp_path), "csv", **FILTER)
    first, second = content.split(b"\r\n")[:2]
    assert first == b"timestamp,user_email,action,resource,status,ip_address,details"
    assert second.split(b",")[0].endswith(b"Z")


def test_nothing_found_is_a_file_all_the_same(sqlite_spine: Spine, trail, tmp_path):
    work = exporter(sqlite_spine, tmp_path)
    for kind in (*FORMATS, "pdf"):
        content = made(sqlite_spine, trail, work, kind, q="nothing-says-this", action="thing.*")
        assert kind == "pdf" or rows_of(kind, content) == []


def test_the_pdf_says_what_it_is_and_holds_each_event(sqlite_spine: Spine, trail, tmp_path):
    content = made(sqlite_spine, trail, exporter(sqlite_spine, tmp_path), "pdf", tz="Europe/Berlin", **FILTER)
    pages = text_of(content).split("\f")
    assert "Acme" in pages[0]
    assert "Action: thing.done or thing.failed" in pages[0]
    assert "Europe/Berlin" in pages[0]
    assert f"{len(AWKWARD)} (9 success, 9 failed)" in pages[0]
    assert "test.example/log/" in pages[0]
    assert "Page 1 of 3" in pages[0]
    table = "".join(pages[1:])
    assert "Timestamp" in table
    assert "IP address" in table
    assert table.count("thing.done") + table.count("thing.failed") == len(AWKWARD)
    for text in ("plain", "11:00:00", "東京", "Ελληνικά", "Кириллица"):
        assert text in table


def test_the_pdf_holds_descriptions_and_details_and_says_what_it_leaves_out(sqlite_spine: Spine, tmp_path):
    scope = sqlite_spine.organization()
    forged = "terraform\nStatus: success\u202egnp"
    changes = {"error": "Policy violation: S3 encryption required", "to": "กรุงเทพ"}
    sqlite_spine.record(
        scope,
        {"action": "thing.done", "description": forged, "changes": changes, "metadata": {"team": "platform"}},
        {"action": "thing.done", "metadata": {"long": "x " * 5000}},
    )
    text = text_of(made(sqlite_spine, scope, exporter(sqlite_spine, tmp_path), "pdf", **FILTER))
    assert "terraform Status: success⟨U+202E⟩gnp" in text
    flat = " ".join(text.split())
    assert '"error": "Policy violation: S3 encryption required"' in flat
    assert '"metadata": {"team": "platform"}' in flat
    assert "กรุงเทพ" in text
    assert "more characters, which the other formats hold" in flat


def test_the_pdf_repeats_its_head_and_counts_its_pages(sqlite_spine: Spine, tmp_path):
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, *[{"action": "thing.done", "actor": {"id": f"usr_{n}"}} for n in range(200)])
    content = made(sqlite_spine, scope, exporter(sqlite_spine, tmp_path), "pdf", action="thing.done")
    pages = text_of(content).split("\f")[:-1]
    assert len(pages) > 3
    assert all(f"Page {n} of {len(pages)}" in page for n, page in enumerate(pages, 1))
    assert all("IP address" in page for page in pages[1:])
    assert sum(page.count("thing.done") for page in pages[1:]) == 200


def test_a_bundle_of_everything_is_a_range_and_of_a_filter_is_not(sqlite_spine: Spine, trail, tmp_path):
    work = exporter(sqlite_spine, tmp_path)
    for given, kind, count in (({}, "range", len(AWKWARD) + 1), (FILTER, "filtered", len(AWKWARD))):
        with zipfile.ZipFile(io.BytesIO(made(sqlite_spine, trail, work, "bundle", **given))) as bundle:
            manifest = json.loads(bundle.read("manifest.json"))
            assert (manifest["kind"], manifest["events"]) == (kind, count)
            assert len(bundle.read("events.ndjson").splitlines()) == count


def test_who_sees_a_part_gets_no_range(sqlite_spine: Spine, trail, tmp_path, monkeypatch):
    member = person_scope(trail.org_id, Principal("user", "usr_" + "0" * 26, "Plain", "plain@acme.com"), "member")
    work = exporter(sqlite_spine, tmp_path)
    monkeypatch.setattr("tallystick.exports.builder.current_scope", lambda *_, **__: member)
    with zipfile.ZipFile(io.BytesIO(made(sqlite_spine, member, work, "bundle"))) as bundle:
        assert json.loads(bundle.read("manifest.json"))["kind"] == "filtered"


def _harmless(text: str) -> str:
    return f"'{text}" if text.lstrip()[:1] in tuple("=+-@") or text[:1] in "\t\r" else text
