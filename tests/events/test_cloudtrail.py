"""CloudTrail's records as events."""

import gzip
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallystick.events.importers import cloudtrail
from tallystick.events.record import Record
from tests.events.sending import send

ACCOUNT = "111122223333"


def record(**fields: Any) -> dict[str, Any]:
    """Made up after the documented format."""
    return {
        "eventVersion": "1.09",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLEEXAMPLE",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/ops/mei",
            "accountId": ACCOUNT,
            "accessKeyId": "AKIAEXAMPLEEXAMPLE",
            "userName": "mei",
        },
        "eventTime": "2024-01-15T14:30:45Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "StopInstances",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.15.0",
        "requestParameters": {"instanceId": "i-0123", "force": False},
        "responseElements": None,
        "requestID": "9d1f",
        "eventID": "3c7b1d52-0000-4000-8000-000000000001",
        "readOnly": False,
        "recipientAccountId": ACCOUNT,
    } | fields


def event(**fields: Any) -> dict[str, Any]:
    [found] = cloudtrail.read([json.dumps({"Records": [record(**fields)]}).encode()])
    assert found.event
    assert send(found.event)
    return found.event


def test_a_record_becomes_an_event_that_keeps_everything():
    assert event() == {
        "action": "ec2.stop_instances",
        "timestamp": "2024-01-15T14:30:45Z",
        "status": "success",
        "actor": {"type": "user", "id": "AIDAEXAMPLEEXAMPLE", "name": "mei"},
        "resource": {"type": "ec2_instance", "id": "i-0123", "name": "i-0123"},
        "context": {
            "ip_address": "198.51.100.7",
            "user_agent": "aws-cli/2.15.0",
            "request_id": "9d1f",
            "channel": "cli",
            "account": ACCOUNT,
            "region": "eu-central-1",
            "credential_id": "AKIAEXAMPLEEXAMPLE",
        },
        "original_action": "ec2:StopInstances",
        "request": {"instanceId": "i-0123", "force": False},
        "metadata": {
            "event_version": "1.09",
            "user_identity": record()["userIdentity"],
            "event_source": "ec2.amazonaws.com",
            "event_name": "StopInstances",
            "region": "eu-central-1",
            "read_only": False,
            "account": ACCOUNT,
        },
        "external_id": "3c7b1d52-0000-4000-8000-000000000001",
    }


RECORD = record()
FORMS = {
    "a log file": {"Records": [RECORD, RECORD]},
    "a list": [RECORD, RECORD],
    "lookup-events": {
        "Events": [{"EventId": "3c7b", "Username": "mei", "CloudTrailEvent": json.dumps(RECORD)}] * 2,
        "NextToken": "x",
    },
    "EventBridge": [{"version": "0", "id": "1", "detail-type": "AWS API Call via CloudTrail", "detail": RECORD}] * 2,
    "CloudWatch Logs": {"logEvents": [{"id": "1", "timestamp": 1, "message": json.dumps(RECORD)}] * 2},
    "SQS": {"Messages": [{"MessageId": "1", "Body": json.dumps({"Message": json.dumps({"Records": [RECORD] * 2})})}]},
    "CloudTrail Lake": {"QueryStatus": "FINISHED", "QueryResultRows": [[{"eventJson": json.dumps(RECORD)}]] * 2},
    "Elasticsearch": [{"_index": "x", "_source": RECORD}] * 2,
    "Splunk": [{"preview": False, "result": {"_raw": json.dumps(RECORD)}}] * 2,
    "files in a list": [{"Records": [RECORD]}, {"Records": [RECORD]}],
}


def read(file: bytes) -> list[dict[str, Any]]:
    found = list(cloudtrail.read([file]))
    assert [one.problem for one in found if one.event is None] == []
    return [one.event for one in found if one.event is not None]


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_record_is_the_same_event_in_whatever_form_it_comes(form, indent):
    assert read(json.dumps(form, indent=indent).encode()) == [event(), event()]


@pytest.mark.parametrize("between", ["", "\n", ",\n"])
def test_records_and_files_behind_one_another_are_read(between):
    one = json.dumps(RECORD)
    assert read(between.join([one, one, json.dumps({"Records": [RECORD]})]).encode()) == [event()] * 3


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        ({"digestStartTime": "2024-01-15T14:00:00Z", "logFiles": []}, "a digest file"),
        ({"configurationItems": []}, "not a CloudTrail record"),
        ({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "x", "s3": {}}, "not a CloudTrail"),
        ({"detail-type": "EC2 Instance State-change Notification", "detail": {"state": "stopped"}}, "not a CloudTrail"),
        ({"CloudTrailEvent": "{"}, "truncated"),
        (5, "not a JSON object"),
    ],
)
def test_what_is_no_record_is_said_and_the_others_are_read(other, problem):
    wrong, right = cloudtrail.read([json.dumps([other, RECORD]).encode()])
    assert problem in wrong.problem
    assert right.event == event()


FIRST_FORM: dict[str, Any] = {
    "action": "ec2.stop_instances",
    "timestamp": "2024-01-15T14:30:45Z",
    "status": "failed",
    "actor": {"type": "service_account", "id": "AROA1:i-0123", "name": "web"},
    "resource": {"type": "iam_policy", "id": "b", "name": "b"},
    "context": {"ip_address": "198.51.100.7", "user_agent": "aws-cli/2.15.0", "request_id": "9d1f"},
    "changes": {"error_code": "AccessDenied"},
    "request": {"roleName": "a", "policyArn": "b"},
    "metadata": {
        "event_version": "1.09",
        "event_source": "ec2.amazonaws.com",
        "event_name": "StopInstances",
        "region": "eu-central-1",
        "read_only": False,
        "account": ACCOUNT,
    },
    "external_id": "3c7b1d52-0000-4000-8000-000000000001",
}


def test_the_earlier_forms_are_what_earlier_versions_sent():
    session = {"type": "AssumedRole", "principalId": "AROA1:i-0123", "accessKeyId": "ASIA1", "accountId": ACCOUNT,
               "sessionContext": {"sessionIssuer": {"userName": "web"}}}  # fmt: skip
    found = event(errorCode="AccessDenied", requestParameters={"roleName": "a", "policyArn": "b"}, userIdentity=session)
    second, first = (earlier_form(found) for earlier_form in cloudtrail.EARLIER_FORMS)
    expected = FIRST_FORM | {"metadata": FIRST_FORM["metadata"] | {"user_identity": session}}
    assert first == expected
    policy = {"type": "iam_policy", "id": "b", "name": "b"}
    assert second == expected | {
        "resources": [policy, {"type": "iam_role", "id": "a", "name": "a"}],
        "status_reason": "AccessDenied",
        "original_action": "ec2:StopInstances",
        "context": expected["context"] | {"channel": "cli", "account": ACCOUNT, "region": "eu-central-1",
                                          "credential_id": "ASIA1", "session_id": "ASIA1"},
    }  # fmt: skip


def test_several_resources_are_all_there_what_was_changed_first():
    found = event(
        eventSource="iam.amazonaws.com", eventName="AttachRolePolicy",
        requestParameters={"policyArn": "arn:aws:iam::aws:policy/ReadOnly", "roleName": "ci"},
    )  # fmt: skip
    assert [(one["name"], one["role"]) for one in found["resources"]] == [("ci", "target"), ("ReadOnly", "policy")]
    assert found["resource"] == found["resources"][0]


@pytest.mark.parametrize(
    ("fields", "context"),
    [
        ({"userIdentity": {"type": "AssumedRole", "accessKeyId": "ASIAKEY"}}, {"session_id": "ASIAKEY"}),
        ({"userIdentity": {"type": "SAMLUser"}}, {"auth_method": "saml"}),
        ({"userIdentity": {"sessionContext": {"attributes": {"mfaAuthenticated": "true"}}}}, {"auth_method": "mfa"}),
        ({"additionalEventData": {"MFAUsed": "No"}}, {"auth_method": "password"}),
        ({"eventType": "AwsServiceEvent"}, {"channel": "system"}),
        ({"userAgent": "Boto3/1.34"}, {"channel": "api"}),
        ({"recipientAccountId": None}, {"account": ACCOUNT}),
    ],
)
def test_the_context_says_where_and_how(fields, context):
    assert event(**fields)["context"].items() >= context.items()


def test_a_failure_has_its_code_and_message_as_the_reason():
    assert event(errorCode="AccessDenied", errorMessage="no")["status_reason"] == "AccessDenied: no"


@pytest.mark.parametrize(
    ("source", "name", "action"),
    [
        ("s3.amazonaws.com", "PutBucketACL", "s3.put_bucket_acl"),
        ("rds.amazonaws.com", "DescribeDBInstances", "rds.describe_db_instances"),
        ("iam.amazonaws.com", "EnableMFADevice", "iam.enable_mfa_device"),
        ("lambda.amazonaws.com", "CreateFunction20150331", "lambda.create_function"),
        ("lambda.amazonaws.com", "UpdateFunctionCode20150331v2", "lambda.update_function_code"),
        ("cloudfront.amazonaws.com", "CreateDistribution2020_05_31", "cloudfront.create_distribution"),
        ("route53.amazonaws.com", "ChangeTagsForResource", "route53.change_tags_for_resource"),
        ("lightsail.amazonaws.com", "Get2026", "lightsail.get2026"),
        ("resource-explorer-2.amazonaws.com", "ListIndexes", "resource_explorer_2.list_indexes"),
        ("ec2.amazonaws.com.cn", "RunInstances", "ec2.run_instances"),
        ("s3.amazonaws.com", "REST.GET.OBJECT", "s3.rest_get_object"),
        ("", "", "aws.unnamed"),
        ("ec2.amazonaws.com", "X" * 300, "ec2." + "x" * 96),
    ],
)
def test_an_action_is_the_service_and_the_call_in_snake_case(source, name, action):
    assert event(eventSource=source, eventName=name)["action"] == action


def test_an_error_is_a_failure_with_the_reason_in_the_changes():
    found = event(errorCode="AccessDenied", errorMessage="User mei is not authorized to perform: ec2:StopInstances")
    assert found["status"] == "failed"
    assert found["changes"] == {
        "error_code": "AccessDenied",
        "error_message": "User mei is not authorized to perform: ec2:StopInstances",
    }


@pytest.mark.parametrize(
    ("identity", "actor"),
    [
        (
            {"type": "Root", "principalId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root"},
            {"type": "user", "id": f"arn:aws:iam::{ACCOUNT}:root", "name": "root"},
        ),
        (
            {
                "type": "AssumedRole", "principalId": "AROAEXAMPLE:i-0123",
                "arn": "arn:aws:sts::1:role/web/i-0123", "sessionContext": {"sessionIssuer": {"userName": "web"}},
            },
            {"type": "service_account", "id": "AROAEXAMPLE:i-0123", "name": "i-0123",
             "on_behalf_of": {"type": "service_account", "name": "web"}},
        ),
        (
            {
                "type": "AssumedRole", "principalId": "AROAEXAMPLE:mei@acme.example",
                "sessionContext": {"sessionIssuer": {"userName": "admin"}},
            },
            {"type": "user", "id": "AROAEXAMPLE:mei@acme.example", "name": "mei@acme.example",
             "email": "mei@acme.example", "on_behalf_of": {"type": "service_account", "name": "admin"}},
        ),
        (
            {"type": "IAMUser", "principalId": "AIDA", "userName": "mei@acme.example"},
            {"type": "user", "id": "AIDA", "name": "mei@acme.example", "email": "mei@acme.example"},
        ),
        (
            {"type": "AWSService", "invokedBy": "rds.amazonaws.com"},
            {"type": "system", "name": "rds.amazonaws.com"},
        ),
        (
            {"accountId": ACCOUNT, "invokedBy": "secretsmanager.amazonaws.com"},
            {"type": "system", "name": "secretsmanager.amazonaws.com"},
        ),
        ({"type": "Unknown"}, {"type": "anonymous"}),
    ],
)  # fmt: skip
def test_the_identity_becomes_the_actor(identity, actor):
    assert event(userIdentity=identity)["actor"] == actor


@pytest.mark.parametrize("source", ["AWS Internal", "ec2.amazonaws.com", "10.0.0.1:443"])
def test_a_source_that_is_no_address_is_kept_as_the_source(source):
    context = event(sourceIPAddress=source)["context"]
    assert context["source"] == source
    assert "ip_address" not in context


@pytest.mark.parametrize(
    ("fields", "resource"),
    [
        (
            {
                "resources": [{"ARN": "arn:aws:s3:::logs", "type": "AWS::S3::Bucket", "accountId": ACCOUNT}],
                "requestParameters": {"bucketName": "logs"},
            },
            {"type": "s3_bucket", "id": "arn:aws:s3:::logs", "name": "logs"},
        ),
        (
            {"resources": [{"ARN": f"arn:aws:ec2:eu-central-1:{ACCOUNT}:instance/i-05"}], "requestParameters": None},
            {"type": "ec2_instance", "id": f"arn:aws:ec2:eu-central-1:{ACCOUNT}:instance/i-05", "name": "i-05"},
        ),
        (
            {"requestParameters": {"policyArn": "arn:aws:iam::aws:policy/ReadOnly"}},
            {"type": "iam_policy", "id": "arn:aws:iam::aws:policy/ReadOnly", "name": "ReadOnly"},
        ),
        ({"requestParameters": {"name": "x"}}, {"type": "ec2_instance", "id": "x", "name": "x"}),
        ({"requestParameters": {"force": True}}, None),
        ({"requestParameters": None}, None),
    ],
)
def test_what_a_call_is_about_becomes_the_resource(fields, resource):
    assert event(**fields).get("resource") == resource


def test_secrets_in_an_answer_are_gone_when_it_is_recorded():
    found = event(responseElements={"credentials": {"accessKeyId": "ASIA", "sessionToken": "very-secret"}})
    [prepared] = send(found)
    assert b"very-secret" not in prepared.frame
    assert "ASIA" in prepared.record.values


def test_a_long_user_agent_is_cut_so_that_the_event_can_be_recorded():
    assert len(event(userAgent="x" * 5000)["context"]["user_agent"]) == 1024


@pytest.mark.parametrize(
    "fields",
    [
        {"userIdentity": None},
        {"userIdentity": "root"},
        {"requestParameters": "text", "responseElements": [1]},
        {"resources": "none"},
        {"resources": [None]},
        {"eventID": None, "requestID": 5, "userAgent": None, "sourceIPAddress": None},
        {"userIdentity": {"sessionContext": {"sessionIssuer": "x"}, "arn": 5}},
    ],
)
def test_a_record_with_odd_fields_still_becomes_an_event(fields):
    assert event(**fields)["action"] == "ec2.stop_instances"


@pytest.fixture(scope="module")
def samples() -> list[Record]:
    folder = os.environ.get("TALLYSTICK_SAMPLE_DATA", "")
    files = sorted(Path(folder).glob("cloudtrail/*.gz")) if folder else []
    if not files:
        pytest.skip("TALLYSTICK_SAMPLE_DATA names no folder with cloudtrail/*.gz")
    events = [one.event for file in files for one in cloudtrail.read([gzip.decompress(file.read_bytes())])]
    return [prepared.record for start in range(0, len(events), 500) for prepared in send(*events[start : start + 500])]


def test_the_sample_trail_is_recorded_whole(samples):
    assert len(samples) == 2900
    assert sum(one.status == "failed" for one in samples) == 300


def test_in_the_sample_trail_values_and_people_are_found(samples):
    assert sum(any("AccessDenied" in value for value in one.values) for one in samples) == 16
    [(busiest, count)] = Counter(one.actor_name for one in samples).most_common(1)
    assert count == 2642
    whole = [msgspec.json.encode([one.resource_name, one.actor_name, *one.values]) for one in samples]
    assert sum(busiest.encode() in text for text in whole) == 2642
