"""The cover of an export as PDF."""

import io

from tallystick.render.export_pdf import MAX_COVER_LINES, CoverPage, write_pdf
from tests.render.reading import text_of


def cover(filter_words: str) -> str:
    document = io.BytesIO()
    write_pdf([], document, CoverPage("Acme", filter_words, "any time", "2026-01-01", "sarah@acme.com"))
    return " ".join(text_of(document.getvalue()).split())


def test_a_filter_that_does_not_fit_says_that_there_is_more():
    assert "Search: deploy" in cover("Search: deploy")
    assert "left out" not in cover("Search: deploy")
    hidden = cover("Search: -" + "\u200b" * (MAX_COVER_LINES * 20) + " -user:mallory@acme.com")
    assert "more lines are left out here." in hidden
