"""`tallystick tail`: the last events, then each new one, once and without a gap."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.client import stream_lines
from tallystick.cli.tail import parse_event_stream
from tests.cli.running import Member
from tests.cli.wire import Wire
from tests.fixtures.servers import COMMAND
from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until

Event = dict[str, Any]


class Tail:
    """A running `tallystick tail --json`."""

    def __init__(self, member: Member, output: Path, *arguments: str) -> None:
        self._output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [COMMAND, "tail", "--json", *arguments], stdout=file, stderr=subprocess.DEVNULL, cwd=output.parent,
                env=member.server.environ | member.environ(),
            )  # fmt: skip

    def events(self) -> list[Event]:
        return [json.loads(line) for line in self.text().split("\n")[:-1]]  # without the one that is being written

    def text(self) -> str:
        return self._output.read_text()

    def actions(self) -> list[str]:
        return [event["action"] for event in self.events()]


@pytest.fixture
def start_tail(tmp_path: Path) -> Iterator[Callable[..., Tail]]:
    """`start_tail(member, …)`; every one ends with the test."""
    started: list[Tail] = []

    def start(member: Member, *arguments: str) -> Tail:
        started.append(Tail(member, tmp_path / f"tail{len(started)}", *arguments))
        return started[-1]

    yield start
    for tail in started:
        tail.process.kill()
        tail.process.wait()


def steps(first: int, last: int) -> list[Event]:
    return [{"action": f"step.n{number}"} for number in range(first, last)]


def test_the_last_events_come_first_then_new_ones(member: Member, start_tail: Callable[..., Tail]) -> None:
    member.record(*steps(0, 5))
    tail = start_tail(member, "step", "--lines", "2")
    wait_until(lambda: len(tail.events()) == 2)
    member.record(*steps(5, 7))
    wait_until(lambda: len(tail.events()) == 4)
    assert tail.actions() == ["step.n3", "step.n4", "step.n5", "step.n6"]


def test_only_events_that_match_are_shown(member: Member, start_tail: Callable[..., Tail]) -> None:
    member.record({"action": "wanted.first"}, {"action": "other.first"})
    tail = start_tail(member, "action:wanted.*", "--limit", "2")
    wait_until(lambda: len(tail.events()) == 1)
    member.record({"action": "other.second"}, {"action": "wanted.second"})
    assert tail.process.wait(PATIENCE_SECONDS) == 0
    assert tail.actions() == ["wanted.first", "wanted.second"]


def test_a_broken_connection_loses_and_doubles_nothing(member: Member, start_tail: Callable[..., Tail]) -> None:
    wire = Wire(member.server.port)
    member.url = wire.url
    member.record(*steps(0, 1))
    tail = start_tail(member, "step")
    wait_until(lambda: len(tail.events()) == 1)
    for cut in range(3):
        before = wire.connections
        wire.cut()
        member.record(*steps(1 + 10 * cut, 6 + 10 * cut))
        wait_until(lambda seen=before: wire.connections > seen)  # type: ignore[misc]
        member.record(*steps(6 + 10 * cut, 11 + 10 * cut))
    wait_until(lambda: len(tail.events()) >= 31)
    wire.close()
    assert tail.actions() == [f"step.n{number}" for number in range(31)]


@pytest.mark.parametrize("separator", ["\x85", "\u2028", "\u2029"], ids=ascii)
def test_a_line_break_in_a_name_ends_no_message(
    member: Member, start_tail: Callable[..., Tail], separator: str
) -> None:
    name = f'prod{separator}{separator}event: event{separator}data: {{"index": 9}}'
    member.record(*steps(0, 1))
    tail = start_tail(member, "step")
    wait_until(lambda: len(tail.events()) == 1)
    member.record({"action": "step.n1", "resource": {"type": "project", "name": name}}, *steps(2, 3))
    wait_until(lambda: len(tail.events()) == 3)
    assert tail.events()[1]["resource"]["name"] == name
    assert separator not in tail.text()


def test_the_lines_of_a_stream_end_at_lf_and_crlf_alone() -> None:
    chunks = ["id: 1\r", "\ndata: a\u2028b\x85\x0bc\n\nda", "ta: d\r\n"]
    assert list(stream_lines(chunk.encode() for chunk in chunks)) == ["id: 1", "data: a\u2028b\x85\x0bc", "", "data: d"]


def test_an_interrupt_ends_it_quietly(member: Member, start_tail: Callable[..., Tail]) -> None:
    member.record(*steps(0, 1))
    tail = start_tail(member)
    wait_until(lambda: bool(tail.events()))
    tail.process.send_signal(signal.SIGINT)
    assert tail.process.wait(PATIENCE_SECONDS) == 0


def test_messages_are_read_as_the_standard_says() -> None:
    said = [": still here", "id: 3", "event: event", 'data: {"index":', "data: 3}", ""]
    unfinished = ["event: position", "data: [9]"]
    assert list(parse_event_stream([*said, *unfinished])) == [("event", {"index": 3})]
