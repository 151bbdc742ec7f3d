"""The fonts are those of the lock, and have the letters of people's names."""

import hashlib
from unicodedata import category

import pytest

from tallystick.display_text import display_line
from tallystick.render import fonts
from tallystick.render.fonts import FOLDER, font_for, shape, width
from tallystick.render.lines import line_of, wrap
from tallystick.render.pages import Imprint, Pages
from tests.render.reading import ink_of, text_of


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
    assert "".join(run.text for run in line_of("go \U00012000", "sans", 9).runs) == "go ⟨U+12000⟩"


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


SCRIPTS = {
    "Thai": "น้ำที่กรุงเทพ", "Devanagari": "क्षत्रिय हिन्दी", "Bengali": "কৃষ্ণচন্দ্র", "Tamil": "கொடுப்பது",
    "Hebrew": "שלום",
    "Arabic": "محمد", "Korean": "한국어", "Japanese": "日本語カタカナ", "Chinese": "北京市简体",
    "emoji": "🚀😀🎉👩🏽\u200d💻",
}  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("face", ["sans", "bold", "mono"])
def test_every_script_and_emoji_have_a_font(script, face):
    assert [one for one in SCRIPTS[script] if one not in " \u200d" and not font_for(face, one)] == []


def document_of(*texts: str) -> bytes:
    pages = Pages(Imprint(texts[0], texts[-1], "now"))
    for text in texts:
        pages.add_lines(wrap(text, "sans", 16, 400))
    return pages.render_pdf()


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name not in ("Hebrew", "Arabic")])
def test_a_reader_copies_the_text_and_not_its_glyphs(script):
    pytest.importorskip("uharfbuzz")
    assert SCRIPTS[script] in text_of(document_of(SCRIPTS[script]))


def test_letters_take_the_form_and_the_order_that_their_neighbours_give_them():
    pytest.importorskip("uharfbuzz")
    font = font_for("sans", "क")
    # A conjunct of three characters is one glyph; the vowel sign that is written last stands first.
    assert len(shape(font, "क्ष", 10)) == 1
    assert width(font, "क्ष", 10) < sum(width(font, one, 10) for one in "कष")
    vowel_last, alone = shape(font, "कि", 10), shape(font, "क", 10)
    assert vowel_last[-1] == alone[-1]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_page_in_every_script_has_ink(script):
    assert ink_of(document_of(SCRIPTS[script])) > ink_of(document_of("")) + 100


def test_thai_is_wrapped_between_characters_and_never_before_a_mark():
    pytest.importorskip("uharfbuzz")
    lines = wrap("น้ำที่กรุงเทพมหานคร" * 5, "sans", 16, 150)
    texts = ["".join(run.text for run in line.runs) for line in lines]
    assert "".join(texts) == "น้ำที่กรุงเทพมหานคร" * 5
    assert not [text for text in texts if category(text[0])[0] == "M"]
    assert all(line.width <= 150 for line in lines)


def test_a_font_that_the_operator_installed_serves_its_script(tmp_path, monkeypatch):
    (tmp_path / "NotoSansTelugu-Regular.ttf").write_bytes(b"not a font")
    (tmp_path / "NotoSansGujarati-Regular.ttf").write_bytes((FOLDER / "NotoSansTamil-Regular.ttf").read_bytes())
    monkeypatch.setattr(fonts, "SYSTEM_FOLDERS", (tmp_path,))
    monkeypatch.setattr(fonts, "_system_files", fonts._system_files.__wrapped__)
    assert fonts._system_fonts("\u0a95") == ["NotoSansGujarati-Regular"]
    # A damaged file, and one that lacks the character, are passed over: the text shows its code points.
    font_for.cache_clear()
    assert "".join(run.text for run in line_of("\u0c24\u0a95", "sans", 9).runs) == "⟨U+0C24⟩⟨U+0A95⟩"
    font_for.cache_clear()
