"""An event that lost parts to an erasure shows what is left, in the list, the panel and elsewhere."""

from datetime import UTC

import msgspec
import pytest

from tallystick.cases.threads import relations_of, threads_of
from tallystick.erasure.records import ErasureRecord
from tallystick.erasure.redact_events import without_parts
from tallystick.events.incoming import Actor, Context, EventInput, OnBehalfOf, Resource
from tallystick.events.intake import prepare
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.ledger.prover import entry_of_event
from tallystick.merkle.remains import parts_of
from tallystick.query.scope import Principal
from tallystick.render.csv_lines import csv_layout, csv_lines
from tallystick.render.json_lines import ndjson
from tallystick.search.paging import as_stored_event
from tallystick.web.event_row import event_row
from tallystick.web.filters import Filters
from tallystick.web.investigate import timeline_entry
from tallystick.web.panel_content import event_panel
from tallystick.web.templating import render, row_html

SENDER = Principal("api_key", "key_1", "ci")
SAID = {
    "what": ("deployment.failed", "ci-4711"),
    "target": ("api-infrastructure", "prj_88"),
    "who": ("sarah@acme.com", "Sarah Lin", "192.0.2.9", "Firefox"),
    "details": ("terraform apply", "Policy violation"),
}
WHOLE = prepare(
    [
        EventInput(
            "deployment.failed", "terraform apply", external_id="ci-4711",
            actor=Actor("user", "usr_456", "sarah@acme.com", "Sarah Lin", OnBehalfOf("user", "usr_9")),
            resource=Resource("project", "prj_88", "api-infrastructure"),
            context=Context("192.0.2.9", "Firefox", "req_1", "ses_1"), changes={"error": "Policy violation"},
        )
    ],
    received_at=1_705_329_045_120_000, recorded_by=SENDER, redacted_keys=frozenset(),
)[0].record  # fmt: skip


def left(mask: int) -> StoredEvent:
    return as_stored_event(7, without_parts(WHOLE, mask))


@pytest.mark.parametrize("mask", range(1, 16))
def test_what_is_gone_is_said_and_what_is_left_is_shown(mask: int) -> None:
    stored, filters = left(mask), Filters()
    told = [ErasureRecord(9, WHOLE.id, "ers_1", mask, "7", "Request 17")]
    panel = event_panel(stored, filters, "https://audit.example.com", told)
    shown = row_html(panel.row, filters) + render("panel.html", panel=panel, filters=filters)
    everything = shown + msgspec.json.encode(event_of(stored)).decode()
    everything += (ndjson([stored]) + csv_lines([stored], csv_layout("all", "standard"))).decode()
    for part, texts in SAID.items():
        for text in texts:
            assert (text in everything) is (part not in parts_of(mask)), (part, text)
    assert "erased" in row_html(panel.row, filters)
    assert "by log record 9: Request 17" in shown
    assert event_of(stored)["erased"] == list(parts_of(mask))
    assert timeline_entry(stored, UTC).summary
    assert event_row(stored, UTC).date == "2024-01-15"
    assert relations_of(stored, threads_of(event_of(stored))) is not None


@pytest.mark.parametrize("mask", range(1, 16))
def test_what_is_left_gives_the_entry_that_the_whole_event_gave(mask: int) -> None:
    assert entry_of_event(left(mask)) == WHOLE.entry


def test_parts_that_go_one_after_the_other_leave_what_they_leave_together() -> None:
    one_after_the_other = without_parts(without_parts(WHOLE, 2), 4)
    assert one_after_the_other == without_parts(WHOLE, 6)


def test_a_whole_event_says_nothing_of_erasures() -> None:
    assert "erased" not in event_of(as_stored_event(7, WHOLE))
