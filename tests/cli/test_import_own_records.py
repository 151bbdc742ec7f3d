"""`tallystick import` of an export that holds what a Tallystick recorded about itself."""

import json
from typing import Any

from tallystick.clock import now_us
from tallystick.outbox import write as outbox
from tests.cli.running import Member

ABOUT_ITSELF = {
    "action": "audit_log.erasure_confirmed", "actor": {"type": "user", "email": "maya@acme.com"},
    "resource": {"type": "erasure", "id": "ers_1"}, "metadata": {"reason": "asked"},
}  # fmt: skip
SENT = {"action": "project.viewed", "actor": {"email": "jo@acme.com"}, "timestamp": "2024-05-06T07:08:09Z"}


def counts(**given: int) -> dict[str, int]:
    """What an import prints with `--json`."""
    return (
        dict.fromkeys(("new", "known", "conflicts", "refused", "imported", "dropped", "older", "expires_soon"), 0)
        | given
    )


def exported(member: Member) -> list[dict[str, Any]]:
    """An event of its own and one that was sent, as an NDJSON export of the member's organization holds them."""
    with member._database.write() as connection:
        outbox.write(connection, member.org_id, ABOUT_ITSELF, now=now_us())
    member.record(SENT)
    with member.server.client(member.key) as client:
        wanted = {"action": ["audit_log.erasure_confirmed", "project.viewed"]}
        lines = client.get("/v1/audit-logs", params=wanted, headers={"Accept": "application/x-ndjson"}).text
    events = [json.loads(line) for line in lines.splitlines()]
    assert sorted(one["action"] for one in events) == ["audit_log.erasure_confirmed", "project.viewed"]
    return events


def imported(member: Member, *events: dict[str, Any]) -> dict[str, int]:
    text = "".join(json.dumps(event) + "\n" for event in events)
    counted: dict[str, int] = json.loads(
        member.run("import", "--json", "--format", "tallystick", "-", input_text=text).stdout
    )
    return counted


def test_records_of_another_log_are_kept_under_a_name_of_their_own_and_counted_apart(
    member: Member, another_member: Member
) -> None:
    events = exported(member)
    assert imported(another_member, *events) == counts(new=1, known=0, conflicts=0, refused=0, imported=1, dropped=0)
    assert imported(another_member, *events) == counts(new=0, known=2, conflicts=0, refused=0, imported=0, dropped=0)
    assert another_member.total(action="audit_log.erasure_confirmed") == 0
    with another_member.server.client(another_member.key) as client:
        [record] = client.get("/v1/audit-logs", params={"action": "imported.*"}).json()["data"]
    assert record["action"] == "imported.audit_log.erasure_confirmed"
    assert record["actor"]["email"] == "maya@acme.com"
    assert record["metadata"] == {"reason": "asked"}
    assert record["recorded_by"]["type"] == "api_key"
    assert record["summary"].startswith("Imported record: ")


def test_the_command_says_how_many_records_it_kept(member: Member, another_member: Member) -> None:
    text = "".join(json.dumps(event) + "\n" for event in exported(member))
    done = another_member.run("import", "--format", "tallystick", "-", input_text=text)
    assert done.stdout == (
        "1 new, 0 known already, 0 refused; 1 record of another audit log about itself, kept as imported.audit_log.*\n"
    )


def test_a_log_knows_its_own_events_when_its_export_comes_back(member: Member) -> None:
    events = exported(member)
    before = member.total(q="")
    assert imported(member, *events) == counts(new=0, known=2, conflicts=0, refused=0, imported=0, dropped=0)
    assert member.total(action="imported.*") == 0
    assert member.total(q="") == before + 2, "only what `total` records itself"


def test_a_record_that_the_log_holds_is_known_with_other_content_too(member: Member) -> None:
    [record] = [one for one in exported(member) if one["action"].startswith("audit_log.")]
    changed = record | {"actor": {"email": "eve@acme.com"}}
    assert imported(member, changed) == counts(new=0, known=1, conflicts=1, refused=0, imported=0, dropped=0)


def test_a_changed_event_under_the_id_of_another_is_recorded(member: Member) -> None:
    [sent] = [one for one in exported(member) if one["action"] == "project.viewed"]
    assert imported(member, sent | {"description": "changed"})["new"] == 1


def test_another_organization_learns_nothing_about_an_id(member: Member, another_member: Member) -> None:
    events = exported(member)
    answer = imported(another_member, *events)
    assert answer["known"] == 0


def test_a_line_that_nobody_exported_cannot_take_a_reserved_name(member: Member) -> None:
    text = json.dumps(ABOUT_ITSELF | {"timestamp": SENT["timestamp"]}) + "\n" + json.dumps(SENT) + "\n"
    done = member.run("import", "--format", "tallystick", "-", input_text=text)
    assert done.returncode == 1
    assert done.stdout == "1 new, 0 known already, 1 refused\n"
    assert "Actions that begin with `audit_log.` are reserved" in done.stderr


def test_send_is_refused_a_reserved_name_with_advice(member: Member) -> None:
    done = member.run("send", "audit_log.pruned")
    assert done.returncode == 1
    assert "reserved" in done.stderr
