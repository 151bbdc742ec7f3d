"""What calls of AWS changed is found, by rules of names, for services and calls that the rules do not know.

The calls are written after AWS's API references and the examples of its user guides, each with its parameters, its
answer and identifiers of what it changed. The second set was written when the rules were finished, and found 55 of 63
then; the third after they were mended by it, and found 70 of 71.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tallystick.clock import now_us
from tallystick.events.importers import cloudtrail
from tallystick.query.conditions import Query
from tallystick.search.grammar import parse
from tests.fixtures.spine import Spine

ACCOUNT = "111122223333"
SETS = ("first", "second", "third")


def calls_of(name: str) -> list[dict[str, Any]]:
    lines = (Path(__file__).parent / f"{name}_calls.ndjson").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def record_of(call: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "eventVersion": "1.09",
        "userIdentity": {"type": "IAMUser", "principalId": "AIDAMEI", "arn": f"arn:aws:iam::{ACCOUNT}:user/mei",
                         "accountId": ACCOUNT, "accessKeyId": "AKIAMEI", "userName": "mei"},
        "eventTime": "2024-01-15T14:30:45Z",
        "eventSource": f"{call['service']}.amazonaws.com",
        "eventName": call["name"],
        "requestParameters": call["parameters"],
        "responseElements": call["answer"],
        "eventID": f"{call['service']}-{call['name']}",
        "recipientAccountId": ACCOUNT,
    } | more  # fmt: skip


def resources(call: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    event = cloudtrail.event_of_record(record_of(call, **more))
    assert event["status"] == "success" or more
    return event.get("resources") or [event.get("resource", {})]


@pytest.mark.parametrize("name", SETS)
def test_every_set_has_at_least_sixty_calls_of_fifteen_services(name):
    calls = calls_of(name)
    assert (len(calls) >= 60, len({call["service"] for call in calls}) >= 15) == (True, True)


@pytest.mark.parametrize("call", [one for name in SETS for one in calls_of(name)], ids=lambda call: call["name"])
def test_the_event_has_what_was_changed(call):
    found = {one.get(part) for one in resources(call) for part in ("id", "name")}
    assert set(call["changed"]) <= found


def test_what_was_changed_is_found_by_its_resource_qualifier(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    calls = calls_of("first")
    recorded = sqlite_spine.record(scope, *(cloudtrail.event_of_record(record_of(call)) for call in calls)).events
    sqlite_spine.ship()
    missing = []
    for call, receipt in zip(calls, recorded, strict=True):
        for identifier in call["changed"]:
            query = Query(parse(f'resource:"{identifier}" id:{receipt.id}', now=now_us()))
            if not sqlite_spine.finder.page(scope, query, limit=5, count="none").data:
                missing.append((call["name"], identifier))
    assert missing == []


@pytest.mark.parametrize("name", SETS)
def test_in_nearly_all_calls_the_first_resource_is_what_was_changed(name):
    calls = calls_of(name)
    first = [resources(call)[0] for call in calls]
    right = [
        not {one.get("id"), one.get("name")}.isdisjoint(call["changed"]) for one, call in zip(first, calls, strict=True)
    ]
    assert sum(right) >= 0.8 * len(calls)


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("AttachUserPolicy", {"policyArn": "arn:aws:iam::aws:policy/ReadOnly", "userName": "jo"},
         [("iam_user", "jo", "target"), ("iam_policy", "ReadOnly", "policy")]),
        ("PutGroupPolicy", {"policyName": "all", "groupName": "ops", "policyDocument": "{}"},
         [("iam_group", "ops", "target"), ("iam_policy", "all", "policy")]),
        ("DetachRolePolicy", {"policyArn": "arn:aws:iam::aws:policy/ReadOnly", "roleName": "ci"},
         [("iam_role", "ci", "target"), ("iam_policy", "ReadOnly", "policy")]),
        ("UpdateAccessKey", {"accessKeyId": "AKIAJO", "userName": "jo", "status": "Inactive"},
         [("iam_user", "jo", "target"), ("iam_access_key", "AKIAJO", "target")]),
        ("AddUserToGroup", {"groupName": "ops", "userName": "jo"},
         [("iam_user", "jo", "target"), ("iam_group", "ops", "target")]),
        ("DeletePolicy", {"policyArn": f"arn:aws:iam::{ACCOUNT}:policy/own"}, [("iam_policy", "own", None)]),
    ],
)  # fmt: skip
def test_of_what_is_given_to_a_user_role_or_group_that_one_is_first(name, parameters, expected):
    found = resources({"service": "iam", "name": name, "parameters": parameters, "answer": None})
    assert [(one["type"], one["name"], one.get("role")) for one in found] == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (("User: arn:aws:iam::1:user/mei is not authorized to perform: s3:DeleteBucket on resource: "
          '"arn:aws:s3:::ledger" because no identity-based policy allows the s3:DeleteBucket action'),
         [("s3_bucket", "ledger")]),
        ((f"User: arn:aws:sts::{ACCOUNT}:assumed-role/ci/x is not authorized to perform: kms:Decrypt on resource: "
         f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234 with an explicit deny in an identity-based policy: "
         f"arn:aws:iam::{ACCOUNT}:policy/no-keys."), [("kms_key", "1234"), ("iam_policy", "no-keys")]),
        (("User: arn:aws:iam::1:user/mei is not authorized to perform: iam:PutRolePolicy on resource: role ci with an "
          "explicit deny"), [("iam_role", "ci")]),
        ("User: arn:aws:iam::1:user/mei is not authorized to perform: ec2:StopInstances", []),
        ("Access denied on resource: *", []),
    ],
)  # fmt: skip
def test_a_refusal_without_parameters_names_what_was_not_to_be_touched(message, expected):
    call = {"service": "s3", "name": "DeleteBucket", "parameters": None, "answer": None}
    found = resources(call, errorCode="AccessDenied", errorMessage=message)
    assert [(one["type"], one["name"]) for one in found if one] == expected


def test_a_parameter_without_end_is_walked_only_so_far():
    deep: Any = {"instanceId": "i-0a1b2c3d"}
    for _ in range(500):
        deep = {"items": [deep]}
    wide = {f"thing{number}Id": f"id-{number}" for number in range(5000)}
    call = {"service": "ec2", "name": "StopInstances", "parameters": {"a": deep, "b": wide, "instanceId": "i-1"},
            "answer": None}  # fmt: skip
    assert [one["id"] for one in resources(call)] == ["i-1"]
