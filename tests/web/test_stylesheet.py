"""The stylesheet and the templates keep what they promise without a browser."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "src" / "tallystick" / "web"
STATIC = WEB / "static"
SHEETS = sorted((STATIC / "css").glob("*.css"))
CSS = (STATIC / "css" / "tokens.css").read_text()
THEMES = {"light": CSS.split(":root {")[1].split("}")[0]}
THEMES["dark"] = THEMES["light"] + (STATIC / "css" / "dark.css").read_text().split(":root {")[1].split("}")[0]
DARK = r":root \{([^{}]*)\}"
PAPERS = ("paper", "paper-side", "paper-float", "under-pointer", "chosen")
# Ink, the papers it stands on, and how far it has to stand out.
INKS = [
    *(("ink", paper, 7.0) for paper in PAPERS),
    *(("ink-2", paper, 4.5) for paper in PAPERS),
    *((ink, paper, 4.5) for ink in ("accent", "red", "green") for paper in PAPERS),
    ("accent-ink", "accent", 4.5),
    ("amber", "paper", 4.5),
    ("amber", "amber-paper", 4.5),
    ("red", "red-paper", 4.5),
    ("ink-2", "red-paper", 4.5),
    ("ink", "found", 7.0),
    ("ink-2", "found", 4.5),
    ("green", "found", 4.5),
    ("red", "found", 4.5),
    ("bar", "paper", 3.0),
    ("edge", "paper", 3.0),
]


def _colours(theme: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", THEMES[theme]))


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_dark_theme_gives_other_values_to_the_colours_of_the_light_one_and_changes_nothing_else():
    rules = re.findall(DARK, (STATIC / "css" / "dark.css").read_text(), re.DOTALL)
    assert len(rules) == 1 + sum(sheet.read_text().count("prefers-color-scheme") for sheet in SHEETS)
    given = dict(re.findall(r"([\w-]+):\s*([^;]+);", rules[0]))
    assert len(given) == rules[0].count(";")
    variables = set(re.findall(r"(--[\w-]+):", THEMES["light"]))
    assert {name for name in given if name not in variables} <= {"color-scheme"}


@pytest.mark.parametrize("theme", THEMES)
def test_every_ink_stands_out_from_its_paper(theme):
    colours = _colours(theme)
    measured = {f"{ink} on {paper}": _contrast(colours[ink], colours[paper]) for ink, paper, _ in INKS}
    too_faint = {
        f"{ink} on {paper}": measured[f"{ink} on {paper}"]
        for ink, paper, least in INKS
        if measured[f"{ink} on {paper}"] < least
    }
    assert too_faint == {}


def test_colours_are_named_only_as_tokens():
    after_tokens = CSS.split("*,\n*::before")[1]
    others = (sheet.read_text() for sheet in SHEETS if sheet.name not in ("tokens.css", "dark.css"))
    assert re.findall(r"#[0-9a-f]{3,8}\b(?=[;, ])", "".join([after_tokens, *others])) == []


def test_no_template_has_anything_inline_that_the_policy_would_block():
    inline = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|hx-vals=.js:|\|safe\b")
    found = {path.name: inline.findall(path.read_text()) for path in (WEB / "templates").glob("*.html")}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_nothing_is_asked_of_another_host():
    own = [*(WEB / "templates").glob("*.html"), *(STATIC / "js").glob("*.js"), *SHEETS]
    assert [path.name for path in own if re.search(r"https?://|url\(|@import|src=\"//", path.read_text())] == []


def test_every_stylesheet_and_script_is_used():
    document = (WEB / "templates" / "document.html").read_text()
    assert [sheet.stem for sheet in SHEETS if f'"{sheet.stem}"' not in document] == []
    pages = "".join(path.read_text() for path in (WEB / "templates").glob("*.html"))
    scripts = {path.name: path.read_text() for path in (STATIC / "js").glob("*.js")}
    used = {
        *re.findall(r"/js/([a-z_]+\.js)", pages),
        *re.findall(r'from "\./([a-z_]+\.js)"', "".join(scripts.values())),
    }
    assert scripts.keys() == used


def test_all_scripts_together_are_small():
    scripts = [*(STATIC / "js").glob("*.js"), *(STATIC / "vendor").glob("*.js")]
    assert sum(len(gzip.compress(script.read_bytes())) for script in scripts) < 80_000


def test_vendored_files_are_those_of_the_lock():
    lines = [line.split() for line in (STATIC / "vendor" / "HASHES").read_text().splitlines()]
    assert {name for _, name in lines} | {"HASHES"} == {path.name for path in (STATIC / "vendor").iterdir()}
    for digest, name in lines:
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest
