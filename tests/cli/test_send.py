"""`tallystick send`: one event."""

import json

from tests.cli.running import Member


def test_an_event_is_recorded_as_given_and_its_id_printed(member: Member) -> None:
    done = member.run(
        "send", "deployment.failed", "--actor-email", "sarah@acme.com", "--resource-type", "project",
        "--resource-name", "api-infrastructure", "--ip-address", "192.168.1.50",
        "--changes", '{"resources_planned": 5}', "--timestamp", "2024-01-15T14:30:45Z",
    )  # fmt: skip
    assert done.returncode == 0
    with member.server.client(member.key) as client:
        event = client.get(f"/v1/audit-logs/{done.stdout.strip()}").json()
    assert event["actor"] == {"type": "user", "email": "sarah@acme.com"}
    assert event["resource"] == {"type": "project", "name": "api-infrastructure"}
    assert event["changes"] == {"resources_planned": 5}
    assert (event["status"], event["timestamp"]) == ("failed", "2024-01-15T14:30:45.000000Z")


def test_without_a_resource_type_the_noun_of_the_action_is_taken(member: Member) -> None:
    done = member.run("send", "workflow.executed", "--resource-name", "nightly", "--json")
    identifier = json.loads(done.stdout)["events"][0]["id"]
    with member.server.client(member.key) as client:
        assert client.get(f"/v1/audit-logs/{identifier}").json()["resource"] == {"type": "workflow", "name": "nightly"}


def test_a_known_external_id_gives_the_first_event_and_a_word_about_it(member: Member) -> None:
    first = member.run("send", "a.b", "--external-id", "one")
    again = member.run("send", "a.b", "--external-id", "one")
    assert again.stdout == first.stdout
    assert "already recorded" in again.stderr


def test_a_refused_event_is_told_by_field(member: Member) -> None:
    done = member.run("send", "a.b", "--timestamp", "yesterday", "--status", "maybe")
    assert (done.returncode, done.stdout) == (1, "")
    assert "timestamp" in done.stderr
    assert "status" in done.stderr


def test_text_that_is_no_json_object_is_a_usage_error(member: Member) -> None:
    done = member.run("send", "a.b", "--changes", "[1]")
    assert done.returncode == 2
    assert "JSON" in done.stderr
