"""The fonts are those of the lock, and have the letters of people's names."""

import hashlib

import pytest

from tallystick.display_text import display_line
from tallystick.render.fonts import FOLDER, font_for
from tallystick.render.lines import line_of, wrap


def test_the_fonts_are_those_of_the_lock():
    lines = [line.split() for line in (FOLDER / "HASHES").read_text().splitlines()]
    assert {name for _, name in lines} | {"HASHES"} == {path.name for path in FOLDER.iterdir()}
    for digest, name in lines:
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("face", ["sans", "bold", "mono"])
@pytest.mark.parametrize(
    "name",
    [
        "Łukasz Žižek",
        "Ελένη",
        "Ольга",
        "王小明",
        "さくらカナ",
        "김민준",
        "יעל",
        "نورة",
        "Ünal İnan",
        "Nguyễn",
        "Գրիգոր",
    ],
)
def test_every_letter_of_a_name_has_a_font(face, name):
    assert [letter for letter in name if not font_for(face, letter)] == []


def test_a_letter_that_no_font_has_is_named_by_its_code_point():
    assert "".join(run.text for run in line_of("go \U0001f680", "sans", 9).runs) == "go ⟨U+1F680⟩"


def test_right_to_left_names_stand_as_they_are_read():
    assert "".join(run.text for run in line_of("by יעל", "sans", 9).runs) == "by לעי"
    joined = "".join(run.text for run in line_of("نورة", "sans", 9).runs)
    assert all("\ufe70" <= letter <= "\ufeff" for letter in joined)


@pytest.mark.parametrize("text", ["\u202egnp.exe", "a\u200bb", "a\x00b\x1b[31m", "a\u2066b\u2069"])
def test_letters_that_only_move_others_are_named_by_their_code_points(text):
    assert "".join(run.text for run in line_of(text, "sans", 9).runs) == display_line(text)


@pytest.mark.parametrize("text", ["a" * 500, "word " * 100, "王" * 300, "one\ntwo\r\n\nfour", "x" * 90 + " y " * 9, ""])
def test_lines_keep_within_their_room_and_lose_no_letter(text):
    lines = wrap(text, "sans", 9, 200)
    assert all(line.width <= 200 for line in lines)
    shown = "".join(run.text for line in lines for run in line.runs)
    assert shown.replace(" ", "") == "".join(text.split())
