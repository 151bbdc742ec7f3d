"""CSV files: every reader finds the same cells, and no spreadsheet a formula, wherever it cuts."""

import csv
import io
import json

import msgspec
import pyarrow.csv
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallystick.query.own_records import END_OF_OWN_WHAT
from tallystick.render.csv_cells import cell, json_cell
from tallystick.render.csv_lines import HEADER, MORE, CsvLayout, csv_header, csv_lines
from tallystick.search.filters import query_from
from tests.fixtures.spine import Spine

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
CUTS = [",", ";", "|", "\t"]
FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n=1", "\uff1d1", "\xa0=1", "\ufeff=1", "\u200b=1", '"=1',
    ";=1+1", "a;=1+1", "a; =1", 'a;"=1', "a|=1", "a\t=1", "a\n=1", "a\u2028=1", "a,=1", "'=1", ";\uff20SUM(A1)",
    "\x01=1", "a\x85=1", "\ufe661+1", "\u061c=1", "a;\u2028;=1", 'a;";""=1',
]  # fmt: skip
LETTERS = st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(SIGNS + ";,|\t\r\n\"' a\xa0"))
TEXTS = st.text(LETTERS, max_size=30)


def pieces(line: str, cut: str) -> list[str]:
    """The cells of programs that cut at a character: one sees quotes at the beginning of a cell, the other none."""
    with_quotes = [one for row in csv.reader(io.StringIO(line, newline=""), delimiter=cut) for one in row]
    return with_quotes + [one for row in line.splitlines() for one in row.split(cut)]


def formulas(found: list[str]) -> list[str]:
    """The cells that begin with a sign, blanks, quotes and unseen characters aside."""
    bare = (one.lstrip(' \t\r\n\v\f"\\\xa0\u061c\u200b\ufeff\x01') for one in found)
    return [one for one in bare if one.startswith(tuple(SIGNS))]


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
@pytest.mark.parametrize("cut", CUTS, ids=ascii)
def test_a_formula_in_a_name_is_text_wherever_the_line_is_cut(text, cut):
    line = f"2024-01-15T10:00:00Z,{cell(text)},thing.done\r\n"
    assert formulas(pieces(line, cut)) == []


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
@pytest.mark.parametrize("separator", [",", ";"])
def test_a_formula_in_the_details_is_text_and_the_json_says_the_same(text, separator):
    details = {"changes": {"to": text, "deep": [text, {"x": f"y{text}"}], "number": -1.5e3}}
    cells = json_cell(json.dumps(details, ensure_ascii=False, separators=(",", ":")), separator)
    line = f"a{separator}{cells}{separator}b\r\n"
    assert json.loads(next(csv.reader(io.StringIO(line, newline=""), delimiter=separator))[1]) == details
    for cut in (";", "|", "\t", *([","] if separator == ";" else [])):
        assert formulas(pieces(line, cut)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sarah@acme.com", "sarah@acme.com"), ("api-infrastructure", "api-infrastructure"), ("a=b", "a=b"),
        ("Doe; John", '"Doe; John"'), ("=1+1", "'=1+1"), (";=1+1", "\";'=1+1\""), ("a;=1", "\"a;'=1\""),
        ("1 - 2", "1 - 2"),
    ],
)  # fmt: skip
def test_the_apostrophe_stands_where_a_formula_would_begin_and_nowhere_else(text, expected):
    assert cell(text) == expected


@given(TEXTS)
@example("a;'=1")
def test_a_reader_gets_the_text_but_for_apostrophes(text):
    (read,) = next(csv.reader(io.StringIO(cell(text) + "\r\n", newline=""))) or [""]
    assert read.replace("'", "") == text.replace("'", "")


@given(TEXTS)
def test_details_keep_their_value_in_every_dialect(text):
    for separator in (",", ";"):
        written = json_cell(json.dumps({text: [text, -1]}, ensure_ascii=False), separator)
        (read,) = next(csv.reader(io.StringIO(written + "\r\n", newline=""), delimiter=separator))
        assert json.loads(read) == {text: [text, -1]}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("blanks", ["\u2028", "\x85", ";\xa0", '"', "'", "\\"], ids=ascii)
@pytest.mark.parametrize("separator", [",", ";"])
def test_the_largest_event_of_one_character_is_written_at_once(blanks, separator):
    # A search that went on to the end from each of them would take minutes, and nothing else would run meanwhile.
    details = json.dumps({"changes": {"to": blanks * 60_000}}, ensure_ascii=False)
    (read,) = next(csv.reader(io.StringIO(json_cell(details, separator), newline=""), delimiter=separator))
    assert json.loads(read) == json.loads(details)


EVENT = {
    "action": "thing.done", "timestamp": "2024-01-15T10:00:00Z", "description": "terraform; =apply",
    "actor": {"type": "user", "id": "usr_1", "email": "zoë@acme.com", "name": "Zoë",
              "on_behalf_of": {"type": "user", "id": "u2"}},
    "resource": {"type": "project", "id": "prj_1", "name": "api;infra"},
    "context": {"ip_address": "192.0.2.1", "user_agent": "curl/8", "session_id": "s", "request_id": "r",
                "trace_id": "t",
                "source": "ci"},
    "changes": {"to": "a;=1+1", "token": "hidden"}, "external_id": "ext-1",
}  # fmt: skip


@pytest.fixture
def stored(sqlite_spine: Spine):
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, EVENT)
    sqlite_spine.ship()
    page = sqlite_spine.finder.page(scope, query_from({"action": ["thing.done"]}, now=0), limit=10)
    return page.data


def read_back(content: bytes, separator: str) -> list[dict[str, str]]:
    text = content.decode("utf-8-sig").removeprefix("sep=,\r\n")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))


@pytest.mark.parametrize("dialect", ["standard", "excel", "excel-semicolon"])
def test_all_columns_stand_behind_the_seven_of_the_summary(stored, dialect):
    layout = CsvLayout("all", dialect)
    (row,) = read_back(csv_header(layout) + csv_lines(stored, layout), layout.separator)
    assert tuple(row) == HEADER + MORE
    assert json.loads(row["details"])["changes"]["to"] == "a;=1+1"
    assert {name: row[name] for name in ("user_email", "resource", "index", "description", "actor_name")} == {
        "user_email": "zoë@acme.com", "resource": "api;infra", "index": "1", "description": "terraform;' =apply",
        "actor_name": "Zoë",
    }  # fmt: skip
    assert row["event_id"].startswith("evt_")
    assert json.loads(row["redacted"]) == ["changes.token"]
    assert json.loads(row["on_behalf_of"]) == {"type": "user", "id": "u2"}


def test_a_key_that_is_named_tallystick_is_told_from_tallystick_itself(stored):
    layout = CsvLayout("all")
    own, key = (
        msgspec.structs.replace(stored[0], what=stored[0].what.partition(b',"recorded_by":')[0] + recorder)
        for recorder in (END_OF_OWN_WHAT, b',"recorded_by":{"type":"api_key","id":"key_1","name":"Tallystick"}}')
    )
    rows = read_back(csv_header(layout) + csv_lines([own, key], layout), ",")
    assert [row["recorded_by"] for row in rows] == ["Tallystick", "Tallystick (key_1)"]


def test_the_default_is_the_seven_columns_without_a_mark(stored):
    content = csv_header() + csv_lines(stored)
    assert content.startswith(b"timestamp,user_email,action,resource,status,ip_address,details\r\n")
    (row,) = read_back(content, ",")
    assert tuple(row) == HEADER


def test_a_file_for_excel_begins_with_a_mark_and_names_its_separator():
    assert csv_header(CsvLayout(dialect="excel")).startswith(b"\xef\xbb\xbfsep=,\r\ntimestamp,")
    assert csv_header(CsvLayout(dialect="excel-semicolon")).startswith(b"\xef\xbb\xbftimestamp;user_email;")


@pytest.mark.parametrize("dialect", ["standard", "excel", "excel-semicolon"])
def test_another_reader_finds_the_same_cells(stored, dialect):
    layout = CsvLayout("all", dialect)
    content = csv_header(layout) + csv_lines(stored, layout)
    options = pyarrow.csv.ReadOptions(skip_rows=1 if dialect == "excel" else 0)
    parsing = pyarrow.csv.ParseOptions(delimiter=layout.separator, newlines_in_values=True)
    texts = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(HEADER + MORE, pyarrow.string()))
    table = pyarrow.csv.read_csv(io.BytesIO(content), options, parsing, texts)
    assert table.to_pylist() == read_back(content, layout.separator)
