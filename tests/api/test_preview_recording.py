"""POST /v1/audit-logs/preview: what recording would do, without recording it."""

import pytest

from tallystick.access.scopes import operator_scope
from tallystick.clock import DAY_US, now_us, rfc3339
from tallystick.intake_rules.rule import IntakeRule
from tallystick.intake_rules.rule_list import new_rule_id, write_rules
from tallystick.retention import holds
from tests.api.api_client import PATH, ApiClient, Operator, event, problem

PREVIEW = f"{PATH}/preview"


def aged(days: float, **more: object) -> dict[str, object]:
    return event("thing.done", timestamp=rfc3339(now_us() - int(days * DAY_US)), **more)


def older(client: ApiClient, *events: dict[str, object]) -> list[int]:
    answer = client.http.post(PREVIEW, json={"events": events})
    assert answer.status_code == 200
    found: list[int] = answer.json()["older"]
    return found


def test_it_names_the_events_that_are_older_than_what_is_kept_and_records_none(acme):
    assert older(acme, aged(4000), aged(1), aged(3651)) == [0, 2]
    assert acme.get(action="thing.*").json()["total"] == 0


def test_events_that_are_recorded_already_are_not_among_them(acme):
    known = aged(4000, external_id="old-1")
    acme.record(known)
    assert older(acme, known, aged(4000, external_id="old-2")) == [1]


def test_what_another_organization_has_makes_nothing_known(acme, organization):
    known = aged(4000, external_id="old-1")
    organization().record(known)
    assert older(acme, known) == [0]


def test_rules_that_keep_less_and_legal_holds_count_as_for_the_purge(acme, operator: Operator):
    rule = IntakeRule(new_rule_id(now_us()), "action:thing.done status:success", "keep", 30, "maya@acme.com", now_us())
    with operator.database.write() as connection:
        write_rules(connection, acme.org_id, lambda _rules: (rule,), retention_days=3650, now=now_us() - 2 * DAY_US)
        holds.place(connection, operator_scope(acme.org_id), "Case", "resource:held", now=now_us())
    held = {"type": "t", "name": "held"}
    sent = [aged(40), aged(40, status="failed"), aged(20), aged(40, resource=held), aged(4000, resource=held)]
    assert older(acme, *sent) == [0]
    answers = acme.post({"events": sent}).json()["events"]
    assert [one.get("expires_soon", False) for one in answers] == [True, False, False, False, False]


@pytest.mark.parametrize("body", [event("thing.done", status="pending"), event("Not An Action")])
def test_it_refuses_what_recording_refuses(acme, body):
    problem(acme.http.post(PREVIEW, json=body), 422, "invalid_event")
