"""`tallystick schedule`: made, listed, paused, run, deleted."""

import json

import pytest

from tests.cli.running import Member


@pytest.fixture
def scheduling(member: Member) -> Member:
    """A member whose key may export."""
    member.key = member.new_key("exports", "admin")
    return member


def test_one_is_made_listed_paused_resumed_and_deleted(scheduling):
    made = scheduling.run(
        "schedule", "create", "weekly", "--weekday", "Friday", "--at", "07:30", "--timezone", "Europe/Berlin",
        "--to", "you@example.com", "--status", "failed", "--name", "Failures", "--json",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    one = json.loads(made.stdout)
    assert (one["weekday"], one["filter"], one["recipients"]) == ("friday", {"status": ["failed"]}, ["you@example.com"])
    listed = scheduling.run("schedule", "list")
    assert "Failures" in listed.stdout
    assert "1 schedule." in listed.stderr
    assert json.loads(scheduling.run("schedule", "pause", one["id"], "--json").stdout)["next_run_at"] is None
    assert scheduling.run("schedule", "resume", one["id"]).stdout.strip() == one["id"]
    assert json.loads(scheduling.run("schedule", "show", one["id"]).stdout)["enabled"] is True
    assert scheduling.run("schedule", "delete", one["id"]).returncode == 0
    assert scheduling.run("schedule", "show", one["id"]).returncode == 1


def test_it_waits_for_consent_and_then_runs(scheduling):
    scheduling.key = scheduling.new_key("exports")
    made = scheduling.run("schedule", "create", "daily", "--to", "you@example.com")
    assert "Waiting for an owner's approval: you@example.com" in made.stderr
    public_id = made.stdout.strip()
    assert "approval" in scheduling.run("schedule", "run", public_id).stderr
    operator = {"TALLYSTICK_DATA_DIR": str(scheduling.server.data_dir)}
    assert scheduling.run("schedule", "consent", public_id, "--org", scheduling.slug, **operator).returncode == 0
    assert scheduling.run("schedule", "run", public_id).returncode == 0
    assert json.loads(scheduling.run("schedule", "runs", public_id).stdout.splitlines()[0])["asked"] is True


def test_a_mistake_is_advice(scheduling):
    done = scheduling.run("schedule", "create", "daily", "--to", "nobody")
    assert done.returncode == 1
    assert "name@example.com" in done.stderr
