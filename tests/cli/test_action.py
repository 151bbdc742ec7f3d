"""`tallystick action`: describes an action, lists what is known and seen, and removes the description."""

import json

from tests.cli.running import Member


def test_an_action_is_described_listed_and_removed(member: Member) -> None:
    member.key = member.new_key("admin", "events:read", "events:write")
    schema = json.dumps({"required": ["changes"]})
    described = member.run(
        "action", "describe", "invoice.approved", "--sentence", "{actor} waved {resource} through", "--severity", "low",
        "--schema", "-", "--mode", "refuse", "--json", input_text=schema,
    )  # fmt: skip
    assert json.loads(described.stdout)["schema"] == {"required": ["changes"]}
    assert "changes" in member.run("send", "invoice.approved").stderr
    listed = [json.loads(line) for line in member.run("action", "list", "--which", "own", "--json").stdout.splitlines()]
    assert [(one["action"], one["severity"], one["mode"]) for one in listed] == [("invoice.approved", "low", "refuse")]
    assert "{actor} waved {resource} through" in member.run("action", "list").stdout
    assert member.run("action", "remove", "invoice.approved").returncode == 0
    gone = member.run("action", "remove", "invoice.approved")
    assert gone.returncode == 1
    assert "no description" in gone.stderr


def test_a_sentence_that_cannot_be_filled_is_refused_with_advice(member: Member) -> None:
    member.key = member.new_key("admin")
    refused = member.run("action", "describe", "invoice.approved", "--sentence", "{actor} approved {it}")
    assert refused.returncode == 1
    assert "Unknown placeholder {it}" in refused.stderr
