"""The notice on every page of an organization that lacks events."""

from tallystick.web.event_list import EventList
from tallystick.web.filters import read_filters
from tallystick.web.page_frame import PageFrame
from tallystick.web.templating import render


def page(**missing: object) -> str:
    frame = PageFrame("Ac<b>me", "ada@acme.com", "owner", "UTC", "token", **missing)  # type: ignore[arg-type]
    return render("framed.html", frame=frame)


def test_every_page_says_how_many_events_are_missing_and_where() -> None:
    shown = page(missing_events=4, missing_indexes="3, 7-9")
    assert "<b>4 events are missing.</b>" in shown
    assert "among the positions 3, 7-9 of its log" in shown
    assert "Ac<b>me" not in shown


def test_a_whole_trail_has_no_notice() -> None:
    assert 'class="notice"' not in page()


def test_what_is_lost_for_good_is_said_without_an_alarm() -> None:
    listing = EventList(read_filters([]), lost=[(3, 3), (7, 9)])
    shown = render("counts.html", listing=listing, filters=listing.filters)
    assert "has lost for good, at the positions 3, 7-9 of the log" in shown
    assert "alert" not in shown
