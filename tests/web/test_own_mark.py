"""A row and a panel show whether Tallystick itself recorded the event; nothing that a sender writes looks like it."""

from datetime import UTC

import msgspec
import pytest

from tallystick.events.incoming import EventInput
from tallystick.events.intake import prepare
from tallystick.events.record import StoredEvent
from tallystick.query.scope import TALLYSTICK, Principal
from tallystick.search.paging import as_stored_event
from tallystick.web.event_row import event_row
from tallystick.web.filters import Filters
from tallystick.web.panel_content import event_panel
from tallystick.web.templating import ENVIRONMENT, render

MARK = 'class="own-mark"'
ITSELF = {"type": "system", "id": "tallystick", "name": "Tallystick"}


def recorded(by: Principal) -> StoredEvent:
    event = msgspec.convert(
        {"action": "user.login", "actor": ITSELF, "description": '<span class="own-mark">Tallystick</span>'}, EventInput
    )
    [prepared] = prepare([event], received_at=1_705_329_045_120_000, recorded_by=by, redacted_keys=frozenset())
    return as_stored_event(7, prepared.record)


@pytest.mark.parametrize(
    ("by", "marks", "said"),
    [(TALLYSTICK, 1, "Tallystick itself"), (Principal("api_key", "key_1", "Tallystick"), 0, "Tallystick (key_1)")],
)
def test_only_what_tallystick_recorded_has_the_mark(by: Principal, marks: int, said: str) -> None:
    stored = recorded(by)
    row = event_row(stored, UTC)
    tables = (
        '{% from "row.html" import row %}{{ row(line, filters, "") }}',
        '{% from "event_rows.html" import event_rows %}{{ event_rows([line], "Events") }}',
    )
    for shown in (
        *(ENVIRONMENT.from_string(table).render(line=row, filters=Filters()) for table in tables),
        render("panel.html", panel=event_panel(stored, Filters(), "http://127.0.0.1"), filters=Filters()),
    ):
        assert shown.count(MARK) == marks
    facts = {fact.label: fact.value for fact in event_panel(stored, Filters(), "http://127.0.0.1").more}
    assert facts["Recorded by"].startswith(said)
