"""The signed-in person as a reader of the trail: what a page shows is noted, so that the trail says who saw it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tallystick.access.audit import Caller
from tallystick.clock import now_us
from tallystick.data_access.recorder import DataAccessRecorder
from tallystick.errors import BadRequest
from tallystick.query.scope import Scope
from tallystick.search.filters import query_from
from tallystick.web.filters import Filters


@dataclass(frozen=True, slots=True)
class Viewer:
    """Notes what a page shows; call it once the content was read without an error. Nothing here blocks.

    Whatever renders events or what is made of them has one, also where it answers a form with an error.

    `is_supplement`: the content belongs to a list or an event that is noted itself, such as its counts.
    """

    recorder: DataAccessRecorder
    scope: Scope
    caller: Caller

    def note_list(self, filters: Filters, *, found: str = "", is_supplement: bool = False) -> None:
        """The events that the filters find, or values of them; `found` is their number in words.

        Filters that are not valid find nothing: they are not noted.
        """
        now = now_us()
        try:
            query_from(filters.parameters(now), now=now)
        except BadRequest:
            return
        given: dict[str, list[str]] = {}
        is_dated = filters.range == "custom"
        for name, value in replace(filters, live="", limit="", columns="").pairs():
            if is_dated or name not in ("start", "end", "tz"):
                given.setdefault(name, []).append(value)
        self.recorder.note_list(self.scope, self.caller, given, found=found, is_supplement=is_supplement)

    def note_event(self, event_id: str, *, is_supplement: bool = False) -> None:
        """One event, whole."""
        self.recorder.note_event(self.scope, self.caller, event_id, is_supplement=is_supplement)

    def note_page(self, kind: str, public_id: str = "", **more: Sequence[str]) -> None:
        """Something else that is made of events: `kind` is alert, alerts, backtest, case, legal_hold, report, review,
        security or timeline; `more` are further parameters of it, in the form of a filter."""
        self.recorder.note_list(self.scope, self.caller, {kind: [public_id or "all"], **more})
