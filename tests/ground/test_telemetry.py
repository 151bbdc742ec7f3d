"""Log lines are JSON without secrets, and metrics have one registry."""

import errno
import json
import logging
import os
import sys

import pytest
import structlog

from tallystick import telemetry

KEY = "tsk_" + "a" * 36


@pytest.fixture
def lines(capsys):
    """Configure logging, act, and get what was logged as decoded lines."""

    def logged(act):
        telemetry.configure_logging("info")
        act(structlog.get_logger())
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield logged
    structlog.reset_defaults()
    logging.basicConfig(force=True)


def test_a_happening_is_one_json_line_with_its_values(lines):
    (line,) = lines(lambda log: log.info("shipment stored", events=12))
    assert (line["event"], line["events"], line["level"], line["at"][-1]) == ("shipment stored", 12, "info", "Z")


def test_no_character_of_a_value_ends_a_line_or_moves_a_cursor(capsys, lines):
    text = "a\x9b2J\u202e\u2028\x85b"
    (line,) = lines(lambda log: log.info("refused", peer=text))
    assert line["peer"] == text
    telemetry.configure_logging("info")
    structlog.get_logger().info("refused", peer=text)
    assert capsys.readouterr().err.removesuffix("\n").isprintable()


def test_lines_below_the_level_are_left_out(lines):
    assert lines(lambda log: log.debug("detail")) == []


def test_values_under_secret_names_are_never_written(lines):
    names = ("password", "session_token", "Authorization", "api_key")
    (line,) = lines(lambda log: log.info("sign-in", user="u", **dict.fromkeys(names, "hush")))
    assert ({line[name] for name in names}, line["user"]) == ({"[redacted]"}, "u")


def test_keys_and_passwords_inside_a_text_are_masked(lines):
    (line,) = lines(lambda log: log.info("connect", url="postgresql://tally:hush@db/x", header=f"Bearer {KEY}"))
    assert (line["url"], line["header"]) == ("postgresql://[redacted]@db/x", "Bearer [redacted]")


def test_an_exception_is_one_line_with_its_trace(lines):
    def fail(log):
        try:
            raise ValueError(f"unknown key {KEY}")
        except ValueError:
            log.exception("broken")

    (line,) = lines(fail)
    assert line["exception"].splitlines()[0] == "Traceback (most recent call last):"
    assert line["exception"].splitlines()[-1] == "ValueError: unknown key [redacted]"


def test_lines_of_libraries_take_the_same_form(lines):
    (line,) = lines(lambda _log: logging.getLogger("foreign.library").warning("slow %s", f"Bearer {KEY}"))
    assert (line["event"], line["logger"]) == ("slow Bearer [redacted]", "foreign.library")


def test_metrics_are_served_in_the_text_format_with_help():
    text = telemetry.metrics_text().decode()
    assert "# HELP tallystick_events_recorded_total Events committed" in text
    assert "process_resident_memory_bytes" in text


class FullDisk:
    """A file on a disk without space."""

    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_line_that_cannot_be_written_raises_no_error_where_it_was_logged(monkeypatch, lines):
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", FullDisk())
        telemetry.configure_logging("info")
        structlog.get_logger().warning("disk_full")
        logging.getLogger("foreign").warning("disk_full")
    (line,) = lines(lambda log: log.info("goes on"))
    assert line["event"] == "goes on"
