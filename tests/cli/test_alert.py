"""`tallystick alert`: rules as files, tested without a server; detections switched on, tested on the past, muted."""

import json
from pathlib import Path

import pytest

from tests.cli.running import Member

RULES = """
rules:
  - name: Broken
    query: action:thing.broken
    tests:
      - name: one that breaks
        events: [{action: thing.broken}]
        fires: 1
"""


@pytest.fixture
def watching(member: Member) -> Member:
    """A member whose key may change rules."""
    member.key = member.new_key("alerts", "events:read", "events:write")
    return member


def test_a_file_is_tested_taken_and_given_back(watching: Member, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(RULES)
    assert "1 rule, 1 test, 0 failed" in watching.run("alert", "test", str(file)).stderr
    public_id = watching.run("alert", "import", str(file)).stdout.strip()
    assert public_id.startswith("rul_")
    assert "name: Broken" in watching.run("alert", "export").stdout
    assert "Broken" in watching.run("alert", "rules").stdout
    assert watching.run("alert", "disable", public_id).returncode == 0
    assert watching.run("alert", "enable", public_id).stdout.strip() == public_id
    assert watching.run("alert", "mute", public_id, "--hours", "1").returncode == 0
    said = json.loads(watching.run("alert", "backtest", public_id, "--json").stdout)
    assert said["firings"] == 0
    assert watching.run("alert", "list").returncode == 0
    assert watching.run("alert", "delete", public_id).returncode == 0
    file.write_text(RULES.replace("fires: 1", "fires: 2"))
    failed = watching.run("alert", "test", str(file))
    assert failed.returncode == 1
    assert "it should fire 2 times, and fires once" in failed.stdout


def test_a_file_that_is_no_text_is_said(watching: Member, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_bytes(b"rules: \xff\xfe")
    for command in ("test", "import"):
        done = watching.run("alert", command, str(file))
        assert (done.returncode, done.stdout) == (1, "")
        assert "UTF-8" in done.stderr


def test_detections_are_listed_and_switched_on(watching: Member) -> None:
    assert "bulk_deletion" in watching.run("alert", "detections").stdout
    assert watching.run("alert", "enable", "bulk_deletion").stdout.startswith("rul_")
