"""`tallystick tail`: the last events, then each new one, once and without a gap."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.tail import messages
from tests.cli.running import Member, wait_for
from tests.fixtures.servers import COMMAND, Starter

Event = dict[str, Any]


class Tail:
    """A running `tallystick tail --json`."""

    def __init__(self, member: Member, output: Path, *arguments: str) -> None:
        self._output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [COMMAND, "tail", "--json", *arguments], stdout=file, stderr=subprocess.DEVNULL, cwd=output.parent,
                env=member.server.environ | {"TALLYSTICK_API_KEY": member.key},
            )  # fmt: skip

    def events(self) -> list[Event]:
        return [json.loads(line) for line in self._output.read_text().splitlines()]


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


def record(member: Member, *actions: str) -> None:
    with member.server.client(member.key) as client:
        events = [{"action": action} for action in actions]
        client.post("/v1/audit-logs?wait=searchable", json={"events": events}).raise_for_status()


def test_the_last_events_come_first_then_new_ones(member: Member, start_tail: Callable[..., Tail]) -> None:
    record(member, *(f"old.n{number}" for number in range(5)))
    tail = start_tail(member, "old OR new", "--lines", "2")
    wait_for(lambda: len(tail.events()) == 2)
    record(member, "new.one", "new.two")
    wait_for(lambda: len(tail.events()) == 4)
    assert [event["action"] for event in tail.events()] == ["old.n3", "old.n4", "new.one", "new.two"]


def test_only_events_that_match_are_shown(member: Member, start_tail: Callable[..., Tail]) -> None:
    tail = start_tail(member, "action:wanted.*", "--limit", "1")
    record(member, "other.thing", "wanted.thing")
    tail.process.wait(20)
    assert [event["action"] for event in tail.events()] == ["wanted.thing"]


def test_a_restart_of_the_server_loses_and_doubles_nothing(
    start_server: Starter, start_tail: Callable[..., Tail]
) -> None:
    member = Member(start_server(), "steady")
    tail = start_tail(member, "step", "--lines", "0")
    # Followed from here on: what is recorded before the tail has its position would not be shown.
    wait_for(lambda: _shows(member, tail))
    before = len(tail.events())
    member.server.stop()
    member.server.start()
    record(member, *(f"step.n{number}" for number in range(30)))
    wait_for(lambda: len(tail.events()) >= before + 30, 40)
    indexes = [event["index"] for event in tail.events()]
    assert indexes == sorted(set(indexes))
    assert [event["action"] for event in tail.events()][before:] == [f"step.n{number}" for number in range(30)]


def _shows(member: Member, tail: Tail) -> bool:
    record(member, "step.first")
    return bool(tail.events())


def test_an_interrupt_ends_it_quietly(member: Member, start_tail: Callable[..., Tail]) -> None:
    tail = start_tail(member, "--lines", "1")
    wait_for(lambda: len(tail.events()) == 1)
    tail.process.send_signal(signal.SIGINT)
    assert tail.process.wait(20) == 0


def test_messages_are_read_as_the_standard_says() -> None:
    said = [": still here", "id: 3", "event: event", 'data: {"index":', "data: 3}", ""]
    unfinished = ["event: position", "data: [9]"]
    assert list(messages([*said, *unfinished])) == [("event", {"index": 3})]
