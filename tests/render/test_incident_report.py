"""The incident report as PDF and as Markdown."""

import html
import re
from dataclasses import replace

import pytest

from tallystick.render.incident_markdown import incident_markdown, plain
from tallystick.render.incident_pdf import incident_pdf
from tallystick.render.incident_report import NO_EVENTS, NOT_WRITTEN, IncidentEvent, IncidentReport
from tests.render.reading import information_of, ink_of, text_of
from tests.web.happenings import ZOO

SEED = (
    ("Issue", "Deployment blocked by policy"),
    ("Detected", "Immediately via policy check"),
    ("Impact", "No production impact (blocked)"),
    ("Root Cause", "Missing S3 encryption config"),
    ("Resolution", "Add encryption, redeploy"),
    ("Time to Fix", "15 minutes"),
)
FAILED = IncidentEvent(
    time="2024-01-15 14:30:45.000 UTC",
    action="deployment.failed",
    status="Failed",
    is_failed=True,
    summary="Sarah Lin failed to deploy api-infrastructure",
    facts=(("by", "sarah@acme.com (usr_456)"), ("from", "192.168.1.50")),
    marks=("First time from 192.168.1.50",),
    note="This is where it broke.\nSee the policy.",
)
REPORT = IncidentReport(
    organization="Acme",
    title="Deployment of api-infrastructure blocked",
    about=(("Case", "cas_1"), ("State", "Open")),
    lines=SEED,
    events=(FAILED,),
    gaps=("Events before 2024-01-01 are no longer kept.",),
    zone="UTC",
    generated_at="2024-01-15 15:00:00 UTC",
)
NAMES = ("نورة الأحمد", "יעל כהן", "王小明", "さくら", "김민준", "Ελένη Παπαδάκη", "Ольга Иванова")


@pytest.mark.parametrize("write", [lambda report: text_of(incident_pdf(report)), incident_markdown])
def test_the_six_lines_stand_as_the_story_tells_them(write):
    text = re.sub(r"[*-]", "", write(REPORT))
    for label, line in SEED:
        assert re.search(rf"{label}: +{re.escape(line)}", text), label


@pytest.mark.parametrize("write", [lambda report: text_of(incident_pdf(report)), incident_markdown])
def test_the_timeline_its_notes_and_its_gaps_are_there(write):
    text = write(REPORT)
    for words in (
        "deployment.failed", "Failed", "14:30:45.000 UTC", "Sarah Lin failed to deploy", "sarah@acme.com (usr_456)",
        "First time from 192.168.1.50", "This is where it broke.", "See the policy.", "no longer kept", "Times in UTC",
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize("write", [lambda report: text_of(incident_pdf(report)), incident_markdown])
def test_what_is_not_there_yet_is_said(write):
    text = write(replace(REPORT, lines=(("Issue", ""),), events=()))
    assert NOT_WRITTEN in text
    assert NO_EVENTS in text


def test_every_page_says_whose_it_is_when_it_was_made_and_which_of_how_many():
    pages = text_of(incident_pdf(replace(REPORT, events=(FAILED,) * 40))).split("\f")[:-1]
    assert len(pages) > 5
    for number, page in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in re.sub(" +", " ", page)
        assert "Acme" in page
        assert "Generated 2024-01-15 15:00:00 UTC by Tallystick" in page
        assert REPORT.title in page


def test_the_title_of_a_pdf_in_a_window_turns_nothing():
    document = incident_pdf(replace(REPORT, title="case\u202egnp.exe", organization="Acme\u2028\u2800"))
    about = information_of(document)
    assert (about["Title"], about["Author"]) == ("case⟨U+202E⟩gnp.exe", "Acme ⟨U+2800⟩")


@pytest.mark.parametrize("length", [200, 20_000])
def test_words_of_any_length_stay_on_the_page(length):
    long = "unbroken" * (length // 8)
    text = text_of(incident_pdf(replace(REPORT, title=long[:200], lines=(("Issue", long),), events=())))
    assert text.replace("\f", "").replace("\n", "").replace(" ", "").count("unbroken") > length // 12


def test_names_in_many_scripts_are_drawn():
    blank = ink_of(incident_pdf(replace(REPORT, lines=(("Issue", " "),), events=())))
    for name in NAMES:
        drawn = ink_of(incident_pdf(replace(REPORT, lines=(("Issue", name),), events=())))
        assert drawn > blank + 20, name


def _everywhere(animal: str) -> IncidentReport:
    event = IncidentEvent(animal, animal, animal, True, animal, ((animal, animal),), (animal,), f"{animal}\n{animal}")
    return IncidentReport(animal, animal, ((animal, animal),), ((animal, animal),), (event,), (animal,), animal, animal)


@pytest.mark.parametrize("animal", ZOO)
def test_markup_in_every_field_of_a_pdf_is_shown_as_text(animal):
    document = incident_pdf(_everywhere(animal))
    shown = "".join(text_of(document).split())
    assert "".join(animal.replace("\u202e", "⟨U+202E⟩").split())[:40] in shown
    assert b"/URI" not in document
    assert b"/JavaScript" not in document


@pytest.mark.parametrize(
    "animal",
    [*ZOO, "[a](javascript:alert(1))", "![a](http://x/y.png)", "<http://x>", "# head", "- item", "1. item", "> quote",
     "| a | b |", "```\ncode", "~~~", "***", "===", "\\<b>", "a\n\n<script>x</script>", "[a]: http://x", "&#60;b&#62;",
     "http://evil.example/", "www.evil.example", "<!-- -->", "$x$", "    indented"],
)  # fmt: skip
def test_markdown_lets_nothing_of_an_event_become_markup(animal):
    written = incident_markdown(_everywhere(animal))
    assert "<" not in written
    unescaped = re.sub(r"\\[^\w\s]", "", written)
    assert re.findall(r"\]\(|!\[|`|\|", unescaped) == []
    assert re.findall(r"^\s*(?:===|~~~|\d+[.)] )", unescaped, re.MULTILINE) == []
    assert re.findall(r"(?:https?|javascript):|www\.", unescaped) == []


@pytest.mark.parametrize("animal", [*ZOO, *NAMES, "a_b_c *d* [e] 1.5", "C:\\temp\\*"])
def test_markdown_shows_the_letters_that_were_there(animal):
    rendered = html.unescape(re.sub(r"\\([^\w\s])", r"\1", plain(animal)))
    assert rendered == " ".join(animal.replace("\u202e", "⟨U+202E⟩").split())


@pytest.mark.parametrize("end", ["\n", "\r", "\v", "\x85", "\u2028"], ids=ascii)
def test_a_value_with_a_line_break_writes_no_line_of_its_own(end):
    forged = f"prod{end}Status: success"
    event = IncidentEvent(
        forged, forged, forged, True, forged, ((forged, forged),), (forged,), "a note\nof two lines"
    )  # fmt: skip
    report = IncidentReport(
        forged, forged, ((forged, forged),), (("Issue", "two\nlines"),), (event,), (), forged, forged
    )
    markdown = incident_markdown(report).splitlines()
    assert [line for line in markdown if line.startswith("Status: success")] == []
    shown = [line.strip() for line in text_of(incident_pdf(report)).splitlines()]
    assert [line for line in shown if line.startswith("Status: success")] == []
    assert {"> a note", "> of two lines"} <= set(markdown)
    assert {"a note", "of two lines", "lines"} <= set(shown)


def test_a_long_time_and_the_status_stand_beside_each_other():
    event = replace(FAILED, time="2024-01-15 14:30:45.123456 America/Argentina/Buenos_Aires")
    assert f"{event.time} Failed" in " ".join(text_of(incident_pdf(replace(REPORT, events=(event,)))).split())
