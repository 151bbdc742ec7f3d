"""The cover of an export as PDF, and what a row says."""

import io

from tallystick.events.record import StoredEvent
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


def test_a_row_says_for_whom_an_agent_acted_all_resources_and_why_it_failed():
    parts = (
        b'{"action":"agent.tool_denied","status":"failed"}',
        b'{"resources":[{"type":"project","id":"prj_1","name":"api"},{"type":"policy","id":"pol_6","role":"policy"}]}',
        b'{"actor":{"type":"agent","name":"Atlas","on_behalf_of":{"email":"noah@acme.com"}}}',
        b'{"status_reason":"needs approval"}',
    )
    document = io.BytesIO()
    event = StoredEvent(0, bytes(16), 1, 1, *parts, bytes(16), b"")
    write_pdf([[event]], document, CoverPage("Acme", "", "any time", "2026-01-01", "sarah@acme.com"))
    said = " ".join(text_of(document.getvalue()).split())
    for text in ("Atlas for noah@acme.com", "Also: pol_6", "Reason: needs approval"):
        assert text in said
