"""What the server's log and its metrics say of keys that are none."""

from typing import Any

import pytest
import structlog

from tallystick import telemetry
from tallystick.access import keys
from tallystick.access.authenticate import Authenticator
from tallystick.access.unknown_keys import MOST_LINES
from tallystick.clock import SECOND_US
from tallystick.errors import Unauthorized

ADDRESS = "192.0.2.7"


class Door:
    """Somebody tries keys, at a time that a test moves."""

    def __init__(self, database: Any) -> None:
        self.now = 1_790_000_000 * SECOND_US
        self.authenticator = Authenticator(database, now=lambda: self.now)
        self.lines: list[Any] = []

    def use(self, token: str, address: str = ADDRESS) -> None:
        with structlog.testing.capture_logs() as lines, pytest.raises(Unauthorized):
            self.authenticator.key_scope(token, address)
        self.lines += [line for line in lines if line["event"] == "unknown_key"]


@pytest.fixture
def door(database: Any) -> Door:
    return Door(database)


def counted(reason: str) -> float:
    value: float = telemetry.unknown_keys_total.labels(reason)._value.get()
    return value


def test_an_unknown_key_is_logged_by_its_end_and_address_and_never_whole(door: Door) -> None:
    token = str(keys._new_token())
    before = counted("unknown")
    door.use(token)
    [line] = door.lines
    assert (line["reason"], line["address"], line["ends_with"]) == ("unknown", ADDRESS, token[-4:])
    assert token[:-4] not in str(line)
    assert counted("unknown") == before + 1


@pytest.mark.parametrize("typed", ["hunter2", "correct horse battery staple", "tsk_short", "geheim-für-alle"])
def test_what_may_be_a_password_is_not_told_at_all(door: Door, typed: str) -> None:
    before = counted("malformed")
    door.use(typed)
    [line] = door.lines
    assert line["reason"] == "malformed"
    assert not {"ends_with", "digest"} & line.keys()
    assert typed[-4:] not in str(line)
    assert counted("malformed") == before + 1


def test_a_mistyped_key_is_told_by_its_end(door: Door) -> None:
    token = str(keys._new_token())
    door.use(token[:-1] + ("A" if token[-1] != "A" else "B"))
    assert door.lines[0]["reason"] == "malformed"
    assert len(door.lines[0]["ends_with"]) == 4


def test_the_log_is_thinned_and_says_how_much_it_left_out(door: Door) -> None:
    before = counted("unknown")
    for number in range(200):
        door.use(str(keys._new_token()), f"192.0.2.{number % 50}")
    assert len(door.lines) == MOST_LINES
    door.now += 60 * SECOND_US
    door.use(str(keys._new_token()))
    assert door.lines[-1]["unlogged_before"] == 200 - MOST_LINES
    assert counted("unknown") == before + 201
