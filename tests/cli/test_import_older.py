"""`tallystick import` of events that are older than what is kept: nothing vanishes unsaid."""

import json
from typing import Any

import pytest

from tallystick.clock import DAY_US, now_us, rfc3339
from tests.cli.running import Member

NOW = now_us()


def old(count: int, days: int = 4000, **more: Any) -> list[dict[str, Any]]:
    at = rfc3339(NOW - days * DAY_US)
    return [{"action": "project.viewed", "timestamp": at, "external_id": f"{days}-{n}"} | more for n in range(count)]


def text(*events: dict[str, Any]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


@pytest.fixture
def run(member: Member) -> Any:
    def command(*options: str, of: str) -> Any:
        return member.run("import", "--format", "tallystick", *options, "-", input_text=of)

    return command


def test_without_a_choice_and_a_terminal_nothing_is_sent_and_the_number_is_said(member: Member, run: Any) -> None:
    done = run(of=text(*old(18), *old(2, days=1)))
    assert (done.returncode, done.stdout) == (2, "")
    assert "18 events are older than what this organization keeps, which begins at" in done.stderr.replace("\n", " ")
    assert "--older=skip" in done.stderr
    assert member.total(action="project.viewed") == 0


def test_skip_leaves_them_out_and_counts_them(member: Member, run: Any) -> None:
    done = run("--older", "skip", of=text(*old(18), *old(2, days=1)))
    assert (done.returncode, done.stdout) == (
        0, "2 new, 0 known already, 0 refused; 18 left out, older than what is kept\n",
    )  # fmt: skip
    assert member.total(action="project.viewed") == 2


def test_keep_records_them_and_says_how_long(member: Member, run: Any) -> None:
    done = run("--older", "keep", of=text(*old(18), *old(2, days=1)))
    assert (done.returncode, done.stdout) == (
        0, "20 new, 0 known already, 0 refused; 18 older than what is kept: deleted after a day\n",
    )  # fmt: skip
    assert member.total(action="project.viewed") == 20
    counted = json.loads(run("--json", "--older", "keep", of=text(*old(3, days=5000))).stdout)
    assert (counted["new"], counted["older"], counted["expires_soon"]) == (3, 0, 3)


def test_of_files_the_number_is_said_before_they_are_sent_whatever_was_chosen(member: Member, tmp_path: Any) -> None:
    path = tmp_path / "old.ndjson"
    path.write_text(text(*old(18)))
    done = member.run("import", "--format", "tallystick", "--older=skip", str(path))
    assert "18 events are older than what this organization keeps" in done.stderr
    assert done.stdout.startswith("0 new, 0 known already, 0 refused; 18 left out")


def test_events_that_the_log_holds_already_are_known_and_not_asked_about(run: Any) -> None:
    run("--older", "keep", of=text(*old(3)))
    again = run(of=text(*old(3), *old(1, days=1)))
    assert (again.returncode, again.stdout) == (0, "1 new, 3 known already, 0 refused\n")


def test_what_is_refused_is_not_counted_as_older(run: Any) -> None:
    done = run("--older", "skip", of=text(*old(1, status="pending"), *old(2, days=6000)))
    assert done.stdout == "0 new, 0 known already, 1 refused; 2 left out, older than what is kept\n"


def test_an_event_without_its_time_is_refused_and_never_dated_now(member: Member, run: Any) -> None:
    done = run(of=text({"action": "project.viewed"}, *old(1, days=1)))
    assert (done.returncode, done.stdout) == (1, "1 new, 0 known already, 1 refused\n")
    assert "the event has no time" in done.stderr
    assert member.total(action="project.viewed") == 1


def test_the_names_that_a_source_gives_its_actions_and_its_time_are_read(member: Member, run: Any) -> None:
    sent: list[dict[str, Any]] = [
        {"action": "Add member to role.", "@timestamp": rfc3339(now_us()), "status": "SUCCESS", "actor": {"id": 7}},
        {"action": "iam:CreateUser", "eventTime": (now_us() - DAY_US) // 1000, "status": 403},
    ]
    done = run(of=text(*sent))
    assert (done.returncode, done.stdout) == (0, "2 new, 0 known already, 0 refused\n")
    assert member.total(q='original:"Add member to role." action:event.add_member_to_role user:7 status:success') == 1
    assert member.total(q="original:iam* action:iam.create_user status:failed") == 1
