"""Failures are seen wherever AWS writes them, and successes stay successes; sign-ins become the catalogue's actions."""

from typing import Any

import pytest

from tallystick.events.catalogue import CATALOGUE
from tallystick.events.importers import cloudtrail
from tests.events.sending import send


def event_of(name: str, source: str = "ec2.amazonaws.com", **more: Any) -> dict[str, Any]:
    record = {
        "eventTime": "2024-01-15T14:30:45Z", "eventSource": source, "eventName": name, "eventID": "1",
        "userIdentity": {"type": "IAMUser", "principalId": "AIDA1", "userName": "jo", "accountId": "111122223333"},
        "recipientAccountId": "111122223333",
    } | more  # fmt: skip
    event = cloudtrail.event_of_record(record)
    assert send(event)
    return event


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"errorCode": "AccessDenied", "errorMessage": "no"}, "AccessDenied: no"),
        ({"errorCode": "AccessDenied"}, "AccessDenied"),
        ({"errorMessage": "Failed authentication"}, "Failed authentication"),
        ({"responseElements": {"SwitchRole": "Failure"}}, "SwitchRole: Failure"),
        ({"responseElements": {"errorCode": "Throttled", "errorMessage": ""}}, "Throttled"),
        ({"responseElements": {"error": {"code": "E1", "message": "broken"}}}, "E1: broken"),
        ({"responseElements": {"_return": False}}, "_return: false"),
        ({"responseElements": {"status": "FAILED"}}, "status: FAILED"),
        ({"responseElements": {"failedEntryCount": 1, "failedEntries": []}}, "failedEntryCount: 1"),
        ({"responseElements": {"failures": [{"arn": "a", "reason": "RESOURCE:MEMORY"}]}}, "a"),
        ({"responseElements": {"statusCode": 403}}, "statusCode: 403"),
        ({"responseElements": {"DeleteFlowLogsResponse": {"unsuccessful": [{"error": "x"}]}}}, "x"),
        ({"serviceEventDetails": {"CredentialVerification": "Failure"}}, "CredentialVerification: Failure"),
        ({"serviceEventDetails": {"state": "FAILED", "statusMessage": "x"}}, "state: FAILED"),
        ({"serviceEventDetails": {"failureReason": "no disk"}}, "no disk"),
        ({"additionalEventData": {"errorMessage": "wrong password"}}, "wrong password"),
    ],
)
def test_a_failure_is_seen_wherever_it_is_written(fields, reason):
    event = event_of("StopThings", **fields)
    assert (event["status"], event["status_reason"]) == ("failed", reason)


def test_a_service_event_that_is_named_for_a_failure_is_one():
    event = event_of("RotationFailed", "secretsmanager.amazonaws.com", eventType="AwsServiceEvent")
    assert (event["status"], event["action"]) == ("failed", "secretsmanager.rotation_failed")


@pytest.mark.parametrize(
    "fields",
    [
        {"errorCode": "", "errorMessage": None},
        {"errorCode": "Success"},
        {"responseElements": {"ConsoleLogin": "Success"}},
        {"responseElements": {"_return": True}},
        {"responseElements": {"failures": [], "failedEntryCount": 0, "errors": []}},
        {"responseElements": {"state": "pending", "statusCode": 200, "error": None}},
        {"responseElements": {"dBInstance": {"status": "failed"}}},
        {"requestParameters": {"status": "FAILED"}},
        {"additionalEventData": {"MFAUsed": "No", "error": "false"}},
        {"responseElements": "text"},
    ],
)
def test_what_did_not_fail_is_a_success(fields):
    assert event_of("SendTaskFailure", **fields)["status"] == "success"


SIGN_IN = "signin.amazonaws.com"
SIGN_INS = [
    ("ConsoleLogin", {"responseElements": {"ConsoleLogin": "Success"}}, "user.login", "success"),
    ("ConsoleLogin", {"responseElements": {"ConsoleLogin": "Failure"}}, "user.login_failed", "failed"),
    ("ConsoleLogin", {"errorMessage": "No username found in supplied account"}, "user.login_failed", "failed"),
    ("CheckMfa", {"responseElements": {"CheckMfa": "Success"}}, "user.mfa_challenged", "success"),
    ("CheckMfa", {"responseElements": {"CheckMfa": "Failure"}}, "user.login_failed", "failed"),
    ("SwitchRole", {"responseElements": {"SwitchRole": "Success"}}, "user.impersonation_started", "success"),
    ("SwitchRole", {"responseElements": {"SwitchRole": "Failure"}}, "user.impersonation_started", "failed"),
    ("ExitRole", {"responseElements": {"ExitRole": "Success"}}, "user.impersonation_ended", "success"),
    ("RenewRole", {"responseElements": {"RenewRole": "Success"}}, "signin.renew_role", "success"),
    ("PasswordRecoveryRequested", {}, "user.password_reset_requested", "success"),
    ("PasswordRecoveryCompleted", {}, "user.password_reset_completed", "success"),
    ("PasswordUpdated", {}, "user.password_changed", "success"),
    ("EmailUpdated", {}, "user.email_changed", "success"),
    ("GetSigninToken", {}, "token.issued", "success"),
    ("UserAuthentication", {"serviceEventDetails": {"UserAuthentication": "Success"}}, "user.login", "success"),
    ("CredentialChallenge", {"additionalEventData": {"CredentialType": "TOTP"}}, "user.mfa_challenged", "success"),
    ("CredentialChallenge", {"additionalEventData": {"CredentialType": "PASSWORD"}}, "signin.credential_challenge",
     "success"),
    ("CredentialVerification", {"serviceEventDetails": {"CredentialVerification": "Success"}},
     "signin.credential_verification", "success"),
    ("CredentialVerification", {"serviceEventDetails": {"CredentialVerification": "Failure"}}, "user.login_failed",
     "failed"),
    ("ExternalIdPDirectoryLogin", {}, "user.login", "success"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["AwsConsoleSignIn", "AwsConsoleSignin"])
@pytest.mark.parametrize(("name", "fields", "action", "status"), SIGN_INS)
def test_a_sign_in_is_the_catalogues_action_and_keeps_its_own_name(kind, name, fields, action, status):
    event = event_of(name, SIGN_IN, eventType=kind, **fields)
    assert (event["action"], event["status"], event["category"]) == (action, status, "authentication")
    assert (event["original_action"], event["context"]["channel"]) == (f"signin:{name}", "web")
    assert action in CATALOGUE or action.startswith("signin.")


def test_a_name_that_nobody_has_does_not_join_failed_sign_ins_to_one_person():
    hidden = {"type": "IAMUser", "accountId": "111122223333", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}
    event = event_of("ConsoleLogin", SIGN_IN, userIdentity=hidden, responseElements={"ConsoleLogin": "Failure"})
    assert (event["action"], event["actor"]["type"]) == ("user.login_failed", "anonymous")


def test_an_insight_is_named_for_what_it_is_and_the_call_that_was_unusual():
    details = {
        "state": "Start",
        "eventSource": "autoscaling.amazonaws.com",
        "eventName": "CompleteLifecycleAction",
        "insightType": "ApiCallRateInsight",
        "insightContext": {"statistics": {"baseline": {"average": 1}}},
    }
    record = {"eventVersion": "1.07", "eventTime": "2024-01-15T14:30:45Z", "awsRegion": "us-east-1", "eventID": "1",
              "eventType": "AwsCloudTrailInsight", "recipientAccountId": "111122223333", "sharedEventID": "s-1",
              "insightDetails": details, "eventCategory": "Insight"}  # fmt: skip
    event = cloudtrail.event_of_record(record)
    assert send(event)
    assert event["action"] == "cloudtrail.api_call_rate_insight_started"
    assert event["original_action"] == "autoscaling:CompleteLifecycleAction"
    assert event["resource"] == {"type": "aws_call", "id": "autoscaling:CompleteLifecycleAction"}
    assert (event["context"]["trace_id"], event["context"]["channel"]) == ("s-1", "system")
    assert event["metadata"]["insight_details"] == details


def test_a_service_event_is_the_systems_and_names_its_resource():
    event = event_of(
        "RotateKey", "kms.amazonaws.com", eventType="AwsServiceEvent", serviceEventDetails={"keyId": "1234abcd"},
        userIdentity={"accountId": "111122223333", "invokedBy": "kms.amazonaws.com"},
    )  # fmt: skip
    assert (event["action"], event["actor"]) == ("kms.rotate_key", {"type": "system", "name": "kms.amazonaws.com"})
    assert event["resource"] == {"type": "kms_key", "id": "1234abcd", "name": "1234abcd"}


def test_a_switched_role_is_what_was_switched_to_and_the_identity_before_stands_beside_it():
    role = "arn:aws:iam::111122223333:role/admin"
    identity = {
        "type": "AssumedRole",
        "principalId": "AROA1:jo",
        "accountId": "111122223333",
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role, "userName": "admin"}},
    }
    before = {"SwitchFrom": "arn:aws:iam::444455556666:user/jo", "RedirectTo": "https://console.aws.amazon.com/"}
    event = event_of(
        "SwitchRole",
        SIGN_IN,
        eventType="AwsConsoleSignIn",
        userIdentity=identity,
        additionalEventData=before,
        responseElements={"SwitchRole": "Success"},
    )
    assert event["resources"] == [
        {"type": "iam_role", "id": role, "name": "admin", "role": "target"},
        {"type": "iam_user", "id": before["SwitchFrom"], "name": "jo", "role": "before"},
    ]


def test_a_record_without_an_id_is_known_by_its_content():
    one, again, other = (event_of(name, eventID=None)["external_id"] for name in ("A", "A", "B"))
    assert one == again != other
    assert one.startswith("sha256:")
