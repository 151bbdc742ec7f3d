"""`tallystick search`: what is found, and what is honestly said about it."""

import json
from typing import Any

import pytest

from tests.cli.running import Member, run_here
from tests.fixtures.servers import Server

EVENTS = [
    {
        "action": "project.viewed",
        "timestamp": f"2024-03-{1 + number % 28:02}T12:00:{number % 60:02}Z",
        "actor": {"type": "user", "id": f"usr_{number % 3}", "email": f"user{number % 3}@acme.com"},
        "resource": {"type": "project", "name": "vpc-production"},
        "context": {"ip_address": "192.0.2.1"},
    }
    for number in range(120)
]


@pytest.fixture(scope="module")
def filled(server: Server) -> Member:
    """An organization with 120 views of a project in March 2024, and one event that wants to do harm."""
    member = Member(server, "filled")
    harm = {"action": "harm.done", "description": "x", "resource": {"type": "file", "name": "a\x1b[2Jb\u202ec"}}
    member.record(*EVENTS)
    member.record(harm)
    return member


def found(member: Member, *arguments: str) -> list[dict[str, Any]]:
    done = member.run("search", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_events_come_newest_first_as_lines_of_json(filled: Member) -> None:
    events = found(filled, "user1@acme.com", "--limit", "5")
    times = [event["timestamp"] for event in events]
    assert len(times) == 5
    assert times == sorted(times, reverse=True)


def test_words_and_qualifiers_are_joined(filled: Member) -> None:
    events = found(filled, "vpc-prod", "user:user2@acme.com", "--limit", "1000")
    assert {event["actor"]["email"] for event in events} == {"user2@acme.com"}
    assert len(events) == 40


def test_a_period_is_kept_to_with_its_last_day(filled: Member) -> None:
    days = {event["timestamp"][:10] for event in found(filled, "--start", "2024-03-02", "--end", "2024-03-03")}
    assert days == {"2024-03-02", "2024-03-03"}


def test_the_table_shows_who_did_what_where_and_how_it_ended(filled: Member) -> None:
    done = filled.run("search", "vpc-prod", "--limit", "1")
    row = done.stdout.splitlines()[1]
    assert row.startswith("2024-03-28 12:00:")
    assert [part for part in ("project.viewed", "vpc-production", "192.0.2.1", "success") if part not in row] == []


def test_more_than_shown_is_said_with_the_total(filled: Member) -> None:
    assert "of 120 events" in filled.run("search", "vpc-prod", "--limit", "10").stderr.replace("≈ ", "")


def test_all_found_is_said_too(filled: Member) -> None:
    assert "120 matching events" in filled.run("search", "vpc-prod", "--limit", "1000").stderr
    assert "No matching events" in filled.run("search", "nowhere").stderr


def test_a_mistake_in_the_query_is_an_error_not_an_empty_list(filled: Member) -> None:
    done = filled.run("search", "deploy", "stat:failed")
    assert (done.returncode, done.stdout) == (1, "")
    assert "status:" in done.stderr
    assert "character 8" in done.stderr


def test_an_event_cannot_move_the_cursor_of_who_reads_it(filled: Member) -> None:
    shown = filled.run("search", "harm.done").stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "a⟨U+001B⟩[2Jb⟨U+202E⟩c" in shown


def test_a_wrong_key_is_told_where_it_comes_from(filled: Member) -> None:
    done = run_here("search", environ=filled.environ() | {"TALLYSTICK_API_KEY": "tsk_" + "0" * 36})
    assert done.returncode == 1
    assert "TALLYSTICK_API_KEY" in done.stderr
