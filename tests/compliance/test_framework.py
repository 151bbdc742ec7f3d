"""Questions are data: those that come with Tallystick, and those of the operator."""

from pathlib import Path

import pytest

from tallystick.compliance.framework import InvalidFramework, find_framework, load_frameworks, parse_file
from tallystick.errors import NotFound
from tests.compliance.reporting import Desk, answer, event
from tests.fixtures.spine import Spine

OWN = """
extends = "soc2"

[[controls]]
id = "CC8.1"

[[controls.questions]]
asks = "Were releases tagged?"
query = "action:release.tagged"

[[controls]]
id = "OWN-1"
title = "Four eyes"

[[controls.questions]]
asks = "Who read the vault?"
query = "action:vault.read"

[[controls.questions.exceptions]]
says = "At once"
query = "action:vault.read"
per = "user"
at_least = 2
"""
QUESTION = 'id = "own"\n[[controls]]\nid = "A"\n[[controls.questions]]\n'


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_both_frameworks_come_with_it_and_every_search_in_them_can_be_read():
    known = load_frameworks(None, "acme")
    assert list(known.frameworks) == ["soc2", "gdpr"]
    assert known.problems == ()
    assert {"CC6.1", "CC6.2", "CC6.3", "CC7.2", "CC8.1"} <= {one.id for one in known.frameworks["soc2"].controls}
    assert {"Art. 5", "Art. 7", "Art. 15", "Art. 17", "Art. 30", "Art. 32", "Art. 33"} <= {
        one.id for one in known.frameworks["gdpr"].controls
    }


def test_a_file_adds_questions_and_controls_and_the_report_asks_them(sqlite_spine: Spine, tmp_path: Path):
    folder = write(tmp_path / "own", "ours.toml", OWN)
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, event("vault.read"), event("vault.read"), event("release.tagged"))
    report = Desk(sqlite_spine, tmp_path / "data", folder).report(scope)
    assert answer(report, "CC8.1", "Were releases").count == 1
    assert answer(report, "OWN-1", "Who read").exceptions[0].count == 1
    assert [name for name, _ in report.sources] == ["soc2.toml", "ours.toml"]


def test_a_file_may_be_for_some_organizations_or_a_framework_of_its_own(tmp_path: Path):
    write(tmp_path, "a.toml", 'organizations = ["acme"]\n' + OWN)
    write(tmp_path, "b.toml", QUESTION + 'asks = "?"\nquery = "x"\n')
    assert len(load_frameworks(tmp_path, "acme").frameworks["soc2"].controls) == 10
    assert len(load_frameworks(tmp_path, "other").frameworks["soc2"].controls) == 9
    assert find_framework(load_frameworks(tmp_path, "other"), "own").title == "own"
    with pytest.raises(NotFound, match="soc2, gdpr, own"):
        find_framework(load_frameworks(tmp_path, "acme"), "iso")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (QUESTION + 'asks = "?"\nquery = "statsu:failed"\n', 6, "Did you mean `status:`"),
        (QUESTION + 'asks = "?"\nquery = "x"\ncolour = "red"\n', 4, "unknown field `colour`"),
        (QUESTION + 'asks = " "\nquery = "x"\n', 4, "a question needs asks"),
        (QUESTION + 'asks = "?"\nquery = ""\n', 4, "needs asks and query"),
        (OWN.replace("at_least = 2", "at_least = 2\nown = true"), 19, "use one of"),
        (OWN.replace("at_least = 2", ""), 19, "use one of"),
        (OWN.replace('per = "user"', 'per = "colour"'), 22, "colour"),
        (OWN.replace('"action:vault.read"\nper', '"action:("\nper'), 21, "query:"),
        ('id = "a"\nextends = "soc2"\n', 1, "write id"),
        ("", 1, "write id"),
        ('id = "a"\nid = "b"\n', 2, "not TOML"),
        ('id = "a"\n[[controls]]\ntitle = "?"\n', 2, "missing required field `id`"),
    ],
)
def test_a_broken_file_is_named_with_its_line(text, line, said):
    with pytest.raises(InvalidFramework) as refused:
        parse_file("ours.toml", text)
    assert refused.value.detail.startswith(f"ours.toml, line {line}: "), refused.value.detail
    assert said in refused.value.detail


def test_a_broken_file_harms_nothing_else_and_the_report_says_it(sqlite_spine: Spine, tmp_path: Path):
    folder = write(tmp_path / "own", "broken.toml", "id = = 1")
    write(folder, "there.toml", QUESTION.replace("own", "soc2") + 'asks = "?"\nquery = "x"\n')
    write(folder, "nothing.toml", 'extends = "iso"\n')
    (folder / "bytes.toml").write_bytes(b"\xff\xfe")
    known = load_frameworks(folder, "acme")
    assert list(known.frameworks) == ["soc2", "gdpr"]
    assert len(known.problems) == 4
    scope = sqlite_spine.organization()
    report = Desk(sqlite_spine, tmp_path / "data", folder).report(scope)
    said = [gap.says for gap in report.gaps if gap.kind == "mapping"]
    assert any("broken.toml, line 1" in words for words in said)
    (problem,) = load_frameworks(tmp_path / "nowhere", "acme").problems
    assert problem.endswith("folder not found (TALLYSTICK_COMPLIANCE_DIR).")
