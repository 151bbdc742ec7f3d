"""The operator as the second person of an erasure."""

import json

from tests.cli.running import Done, Member, run_here
from tests.fixtures.signed_in import SignedIn
from tests.fixtures.waiting import wait_until

REASON = "Request 17"


def operator(member: Member, *arguments: str) -> Done:
    return run_here("erasure", *arguments, environ=member.server.environ)


def request_by(member: Member, person: SignedIn, reason: str = REASON) -> str:
    """The id of an erasure that a person requested, once its preview is ready."""
    member.record({"action": "project.updated", "actor": {"email": "sarah@acme.com"}})
    assert person.post("/retention/erasures", email="sarah@acme.com", reason=reason).status_code == 303
    with member.server.client(member.new_key("admin", "events:read")) as http:
        asked: str = http.get("/v1/erasures").json()["data"][0]["id"]
        wait_until(lambda: http.get(f"/v1/erasures/{asked}").json()["state"] == "ready")
    return asked


def test_the_operator_confirms_what_the_only_owner_requested_and_the_trail_says_so(member: Member) -> None:
    person = member.server.signed_in(member.slug, f"owner@{member.slug}.example")
    asked = request_by(member, person)
    assert f"tallystick erasure confirm {asked}" in person.get("/retention").text
    said = operator(member, "show", asked).stdout
    for fact in (asked, "ready", person.member.email, REASON, "sarah@acme.com", "1 events lose data"):
        assert fact in said
    assert json.loads(operator(member, "confirm", asked, "--json").stdout)["confirmed_by"] == "operator"
    wait_until(lambda: member.total(action="audit_log.subject_erased") == 1)
    with member.server.client(member.key) as http:
        (confirmed,) = http.get("/v1/audit-logs", params={"action": "audit_log.erasure_confirmed"}).json()["data"]
    assert (confirmed["actor"]["id"], confirmed["context"]["source"]) == ("operator", "cli")


def test_a_reason_hides_nothing_from_the_operator_who_decides(member: Member) -> None:
    person = member.server.signed_in(member.slug, f"owner@{member.slug}.example")
    asked = request_by(member, person, "Request \u3164 17")
    said = operator(member, "show", asked).stdout
    assert "Request ⟨U+3164⟩ 17\n" in said


def test_the_operator_does_not_where_two_people_may(member: Member) -> None:
    person = member.server.signed_in(member.slug, f"owner@{member.slug}.example")
    member.server.signed_in(member.slug, f"admin@{member.slug}.example", "admin")
    asked = request_by(member, person)
    done = operator(member, "confirm", asked)
    assert (done.returncode, "Two people of the organization" in done.stderr) == (1, True)
    assert operator(member, "confirm", "ers_00000000000000000000000000").returncode == 1
