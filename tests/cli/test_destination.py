"""`tallystick destination`: made with a secret shown once, tried, looked at, switched off, deleted."""

import json

import pytest

from tests.cli.running import Member


@pytest.fixture
def sending(member: Member) -> Member:
    """A member whose key may change destinations."""
    member.key = member.new_key("alerts")
    return member


def test_a_webhook_is_made_tried_and_deleted(sending: Member) -> None:
    made = sending.run("destination", "create", "webhook", "https://hooks.example.com/in", "--name", "Ops")
    public_id = made.stdout.strip()
    assert "whsec_" in made.stderr
    assert "whsec_" not in sending.run("destination", "show", public_id).stdout
    listed = sending.run("destination", "list").stdout
    assert "Ops" in listed
    assert "webhook" in listed
    assert sending.run("destination", "rotate", public_id).stdout.startswith("whsec_")
    assert sending.run("destination", "disable", public_id).returncode == 0
    assert '"enabled":false' in sending.run("destination", "show", public_id).stdout.replace(" ", "")
    assert sending.run("destination", "enable", public_id).returncode == 0
    assert "waits for an owner's approval" in sending.run("destination", "test", public_id).stderr
    operator = {"TALLYSTICK_DATA_DIR": str(sending.server.data_dir)}
    assert sending.run("destination", "approve", public_id, "--org", sending.slug, **operator).returncode == 0
    delivery = sending.run("destination", "test", public_id).stdout.strip()
    (line,) = sending.run("destination", "deliveries", public_id).stdout.splitlines()
    assert json.loads(line)["id"] == delivery
    assert sending.run("destination", "delete", public_id).returncode == 0
    gone = sending.run("destination", "retry", public_id, delivery)
    assert gone.returncode == 1
    assert f"Destination '{public_id}' not found" in gone.stderr


def test_a_url_that_is_a_secret_is_read_from_standard_input(sending: Member) -> None:
    made = sending.run("destination", "create", "slack", "-", "--json", input_text="https://hooks.example.com/a/b\n")
    assert json.loads(made.stdout)["kind"] == "slack"


@pytest.mark.parametrize("public_id", ["../alert-rules/rul_1", "a/b", "", "a?b", "a\x01", "\udcff"])
def test_what_is_no_id_never_becomes_a_path(sending: Member, public_id: str) -> None:
    for command in (("destination", "delete"), ("alert", "delete"), ("schedule", "delete"), ("review", "show")):
        done = sending.run(*command, public_id)
        assert done.returncode == 2, command
        assert "Traceback" not in done.stderr


def test_mail_goes_to_several_and_a_webhook_to_one(sending: Member) -> None:
    made = sending.run("destination", "create", "email", "you@example.com", "me@example.com", "--json")
    assert json.loads(made.stdout)["state"] == "waiting_for_approval", "nobody of them is a member"
    two = sending.run("destination", "create", "webhook", "https://a.example", "https://b.example")
    assert two.returncode == 2
