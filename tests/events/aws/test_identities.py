"""Every type of identity of the user guide ("CloudTrail userIdentity element") is an actor of its own."""

from typing import Any

import pytest

from tallystick.events.importers import cloudtrail
from tests.events.sending import send

ACCOUNT = "123456789012"
IAM = f"arn:aws:iam::{ACCOUNT}"
STS = f"arn:aws:sts::{ACCOUNT}"
ROLE = {"type": "Role", "principalId": "AROA1", "arn": f"{IAM}:role/admin", "accountId": ACCOUNT, "userName": "admin"}
FOR_ADMIN = {"type": "service_account", "id": f"{IAM}:role/admin", "name": "admin"}
STORE = f"arn:aws:identitystore::{ACCOUNT}:identitystore/d-1"

IDENTITIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Root": (
        {"type": "Root", "principalId": ACCOUNT, "arn": f"{IAM}:root", "accountId": ACCOUNT, "userName": "acme"},
        {"type": "user", "id": f"{IAM}:root", "name": "root"},
    ),
    "Root of another account": (
        {"type": "Root", "principalId": "999999999999", "accountId": "999999999999"},
        {"type": "user", "id": "arn:aws:iam::999999999999:root", "name": "root"},
    ),
    "IAMUser": (
        {"type": "IAMUser", "principalId": "AIDA1", "arn": f"{IAM}:user/Alice", "accountId": ACCOUNT,
         "accessKeyId": "AKIA1", "userName": "Alice"},
        {"type": "user", "id": "AIDA1", "name": "Alice"},
    ),
    "AssumedRole": (
        {"type": "AssumedRole", "principalId": "AROA1:i-0123", "arn": f"{STS}:assumed-role/admin/i-0123",
         "accountId": ACCOUNT, "accessKeyId": "ASIA1", "sessionContext": {"sessionIssuer": ROLE}},
        {"type": "service_account", "id": "AROA1:i-0123", "name": "i-0123", "on_behalf_of": FOR_ADMIN},
    ),
    "AssumedRole of a person": (
        {"type": "AssumedRole", "principalId": "AROA1:jo@acme.example", "arn": f"{STS}:assumed-role/admin/jo",
         "accountId": ACCOUNT, "sessionContext": {"sessionIssuer": ROLE}},
        {"type": "user", "id": "AROA1:jo@acme.example", "name": "jo@acme.example", "email": "jo@acme.example",
         "on_behalf_of": FOR_ADMIN},
    ),
    "AssumedRole without an issuer": (
        {"type": "AssumedRole", "principalId": "AROA2:jo", "accountId": ACCOUNT,
         "arn": f"{STS}:assumed-role/AWSReservedSSO_Admin_0a1b/jo"},
        {"type": "user", "id": "AROA2:jo", "name": "jo",
         "on_behalf_of": {"type": "service_account", "name": "AWSReservedSSO_Admin_0a1b"}},
    ),
    "AssumedRole with a source identity": (
        {"type": "AssumedRole", "principalId": "AROA1:session-7", "accountId": ACCOUNT,
         "sessionContext": {"sessionIssuer": ROLE, "sourceIdentity": "sarah@acme.example"}},
        {"type": "user", "id": "AROA1:session-7", "name": "sarah@acme.example", "email": "sarah@acme.example",
         "on_behalf_of": FOR_ADMIN},
    ),
    "AssumedRole for a person of IAM Identity Center": (
        {"type": "AssumedRole", "principalId": "AROA1:glue", "accountId": ACCOUNT,
         "sessionContext": {"sessionIssuer": ROLE}, "onBehalfOf": {"userId": "92-jo", "identityStoreArn": STORE}},
        {"type": "service_account", "id": "AROA1:glue", "name": "glue",
         "on_behalf_of": {"type": "user", "id": "92-jo"}},
    ),
    "FederatedUser": (
        {"type": "FederatedUser", "principalId": f"{ACCOUNT}:Bob", "arn": f"{STS}:federated-user/Bob",
         "accountId": ACCOUNT, "sessionContext": {"sessionIssuer": {"type": "IAMUser", "principalId": "AIDA1",
                                                                   "arn": f"{IAM}:user/Alice", "userName": "Alice"}}},
        {"type": "user", "id": f"{STS}:federated-user/Bob", "name": "Bob",
         "on_behalf_of": {"type": "user", "id": f"{IAM}:user/Alice", "name": "Alice"}},
    ),
    "Directory": (
        {"type": "Directory", "principalId": "d-1:jo", "accountId": ACCOUNT, "userName": "jo"},
        {"type": "user", "id": "d-1:jo", "name": "jo"},
    ),
    "AWSAccount": (
        {"type": "AWSAccount", "principalId": "AROA9:cross", "accountId": "999999999999"},
        {"type": "service_account", "id": "AROA9:cross", "name": "account 999999999999"},
    ),
    "AWSAccount that is only a number": (
        {"type": "AWSAccount", "principalId": "999999999999", "accountId": "999999999999"},
        {"type": "service_account", "name": "account 999999999999"},
    ),
    "nobody, as of S3": (
        {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"},
        {"type": "anonymous"},
    ),
    "AWSService": (
        {"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"},
        {"type": "system", "name": "autoscaling.amazonaws.com"},
    ),
    "IdentityCenterUser": (
        {"type": "IdentityCenterUser", "accountId": ACCOUNT, "onBehalfOf": {"userId": "92-jo",
                                                                           "identityStoreArn": STORE},
         "credentialId": "cred-1"},
        {"type": "user", "id": "92-jo"},
    ),
    "another IdentityCenterUser": (
        {"type": "IdentityCenterUser", "accountId": ACCOUNT, "onBehalfOf": {"userId": "92-kim"}},
        {"type": "user", "id": "92-kim"},
    ),
    "SAMLUser": (
        {"type": "SAMLUser", "principalId": "SampleUkh1i4+ExamplexL/jEvs=:saml", "userName": "saml",
         "identityProvider": "SampleUkh1i4+ExamplexL/jEvs="},
        {"type": "user", "id": "SampleUkh1i4+ExamplexL/jEvs=:saml", "name": "saml"},
    ),
    "WebIdentityUser": (
        {"type": "WebIdentityUser", "principalId": "accounts.google.com:app:user-id", "userName": "user-id",
         "identityProvider": "accounts.google.com"},
        {"type": "user", "id": "accounts.google.com:app:user-id", "name": "user-id"},
    ),
    "Unknown": ({"type": "Unknown", "principalId": ACCOUNT, "accountId": ACCOUNT, "arn": ""}, {"type": "anonymous"}),
    "Unknown with a name": (
        {"type": "Unknown", "principalId": ACCOUNT, "accountId": ACCOUNT, "userName": "jo@acme.example"},
        {"type": "user", "name": "jo@acme.example", "email": "jo@acme.example"},
    ),
    "a name that AWS hides": (
        {"type": "IAMUser", "principalId": ACCOUNT, "accountId": ACCOUNT, "accessKeyId": "",
         "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"},
        {"type": "anonymous", "name": "HIDDEN_DUE_TO_SECURITY_REASONS"},
    ),
    "no identity": ({}, {"type": "anonymous"}),
    "a type of the future": (
        {"type": "QuantumUser", "principalId": "AQUA1", "arn": f"{IAM}:quantum/q", "accountId": ACCOUNT},
        {"type": "user", "id": "AQUA1", "name": "q"},
    ),
}  # fmt: skip


def event_of(identity: dict[str, Any], **more: Any) -> dict[str, Any]:
    record = {
        "eventTime": "2024-01-15T14:30:45Z", "eventSource": "s3.amazonaws.com", "eventName": "DeleteBucket",
        "userIdentity": identity, "eventID": "1", "recipientAccountId": ACCOUNT,
    } | more  # fmt: skip
    event = cloudtrail.event_of_record(record)
    assert send(event)
    return event


@pytest.mark.parametrize(("identity", "actor"), IDENTITIES.values(), ids=IDENTITIES)
def test_each_identity_is_an_actor(identity, actor):
    assert event_of(identity)["actor"] == actor


def test_all_identities_are_told_apart():
    actors = [event_of(identity)["actor"] for identity, _ in IDENTITIES.values()]
    known = [tuple(sorted(map(str, actor.items()))) for actor in actors if actor != {"type": "anonymous"}]
    assert len(known) == len(set(known))


def test_the_number_of_an_account_is_nobodys_id():
    numbers = {ACCOUNT, "999999999999"}
    assert [
        one for identity, _ in IDENTITIES.values() if (one := event_of(identity)["actor"].get("id")) in numbers
    ] == []


@pytest.mark.parametrize(
    ("identity", "more", "session"),
    [
        ({"type": "AssumedRole", "principalId": "AROA1:jo", "accessKeyId": "ASIA1"}, {}, "ASIA1"),
        ({"type": "AssumedRole", "principalId": "AROA1:jo", "accessKeyId": "AKIA1"}, {}, "AROA1:jo"),
        ({"type": "AssumedRole", "principalId": "AROA1:jo"}, {}, "AROA1:jo"),
        ({"type": "IdentityCenterUser", "credentialId": "cred-1"}, {}, "cred-1"),
        ({"type": "IdentityCenterUser"}, {"additionalEventData": {"AuthWorkflowID": "w-1"}}, "w-1"),
        ({"type": "IAMUser", "principalId": "AIDA1", "accessKeyId": "AKIA1"}, {}, None),
    ],
)
def test_the_session_is_that_of_the_credentials_or_of_the_role(identity, more, session):
    assert event_of(identity, **more)["context"].get("session_id") == session
