"""What `send` and `import` say of events that an intake rule dropped."""

from typing import Any

import pytest

from tallystick.cli import send
from tallystick.cli.import_batches import EventSender


class DroppingServer:
    """Answers each request as a server whose rule drops the first event."""

    def record(self, body: bytes, *_: object, **_more: object) -> dict[str, Any]:
        others = [{"id": f"evt_{number}", "index": number, "duplicate": False} for number in range(body.count(b"\n"))]
        return {"events": [{"dropped": "irl_1"}, *others], "duplicate": False}


def test_an_import_counts_dropped_events_apart_and_not_as_new() -> None:
    sender = EventSender(DroppingServer(), lambda *_: None)  # type: ignore[arg-type]
    for _ in range(3):
        sender.add("events.ndjson:1", {"action": "project.viewed", "timestamp": "2026-01-15T12:00:00Z"})
    sender.flush()
    assert sender.counts.words == (
        "2 new, 0 known already, 0 refused; 1 dropped by intake rules of the organization"
    )  # fmt: skip


def test_send_prints_no_id_for_a_dropped_event_and_says_which_rule_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(send.Client, "from_environment", DroppingServer)
    send._record({"action": "project.viewed"}, False, False)
    said = capsys.readouterr()
    assert said.out == ""
    assert "An intake rule of the organization (irl_1) dropped this event" in said.err
