"""AWS CloudTrail: its records as events.

No field of a record is lost: what has no place in the event's own fields goes to `metadata`.
"""

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Any

import msgspec

from tallystick.events.importers.aws.fields import object_of, present, snake, text_of
from tallystick.events.importers.aws.forms import LISTS, OtherKindError, records_of
from tallystick.events.importers.json_values import json_texts
from tallystick.events.importers.parsed import ParsedEvent

LONGEST = 1024  # characters of a name
LONGEST_ACTION = 100
LONGEST_TYPE = 100
LONGEST_EMAIL = 320
LONGEST_EXTERNAL_ID = 128
LONGEST_REASON = 500
LONGEST_ORIGINAL_ACTION = 200
MOST_RESOURCES = 20

_decode = msgspec.json.decode
_EMAIL = re.compile(r"[^\s@:]+@[^\s@:]+\.[^\s@:]+")

# Fields of a record that become fields of the event; all others go to metadata under their name in snake case.
_PLACED = frozenset({
    "eventTime", "eventID", "errorCode", "errorMessage", "sourceIPAddress", "userAgent", "requestID",
    "requestParameters", "responseElements",
})  # fmt: skip
_RENAMED = {"awsRegion": "region", "recipientAccountId": "account"}

_CATEGORIES = {
    "signin": "authentication",
    "sts": "authentication",
    "iam": "users",
    "identitystore": "users",
    "organizations": "users",
    "sso": "users",
    "config": "policies",
    "guardduty": "policies",
    "securityhub": "policies",
    "cloudformation": "deployments",
    "codebuild": "deployments",
    "codedeploy": "deployments",
    "codepipeline": "deployments",
    "states": "workflows",
    "account": "settings",
    "billing": "settings",
}

_ACTOR_TYPES = {
    "AssumedRole": "service_account",
    "Role": "service_account",
    "AWSAccount": "service_account",
    "AWSService": "system",
    "Unknown": "anonymous",
}

_AUTH_METHODS = {"SAMLUser": "saml", "WebIdentityUser": "oidc", "IdentityCenterUser": "sso", "Directory": "directory"}
_TEMPORARY_KEY = "ASIA"  # how the ids of keys begin that belong to one session

# What versions before did not give, for `earlier_form`.
_ADDED = frozenset({"status_reason", "original_action", "resources"})
_ADDED_TO_CONTEXT = frozenset({"channel", "account", "region", "auth_method", "credential_id", "session_id"})

# Parameters that name what a call is about, the most telling first. The types are those that AWS lists with
# some records (`AWS::S3::Bucket`), in snake case.
_RESOURCES = {
    "bucketName": "s3_bucket",
    "secretId": "secretsmanager_secret",
    "functionName": "lambda_function",
    "dBInstanceIdentifier": "rds_db_instance",
    "dBSnapshotIdentifier": "rds_db_snapshot",
    "instanceId": "ec2_instance",
    "policyArn": "iam_policy",
    "userName": "iam_user",
    "roleName": "iam_role",
    "instanceProfileName": "iam_instance_profile",
    "roleArn": "iam_role",
    "keyId": "kms_key",
    "tableName": "dynamodb_table",
    "queueUrl": "sqs_queue",
    "topicArn": "sns_topic",
    "logGroupName": "logs_log_group",
    "stackName": "cloudformation_stack",
    "groupId": "ec2_security_group",
    "subnetId": "ec2_subnet",
    "vpcId": "ec2_vpc",
    "volumeId": "ec2_volume",
    "snapshotId": "ec2_snapshot",
    "imageId": "ec2_image",
}


def read(chunks: Iterable[bytes]) -> Iterator[ParsedEvent]:
    """The records of a file as events, in whatever form they are handed on (`aws.forms`)."""
    for one in json_texts(chunks, LISTS):
        location = f", record {one.number}"
        if one.problem:
            yield ParsedEvent(location, None, one.problem, one.foreign)
        else:
            yield from _events(location, one.text)


def _events(location: str, text: bytes) -> Iterator[ParsedEvent]:
    try:
        for record in records_of(_decode(text)):
            yield ParsedEvent(location, event_of_record(record))
    except OtherKindError as problem:
        yield ParsedEvent(location, None, str(problem), foreign=True)
    except RecursionError:
        yield ParsedEvent(location, None, "nested too deeply")
    except ValueError as problem:
        yield ParsedEvent(location, None, str(problem))


def event_of_record(record: dict[str, Any]) -> dict[str, Any]:
    """One record as an event; fields that the record lacks are left out."""
    response = object_of(record.get("responseElements"))
    failed = bool(record.get("errorCode")) or response.get("ConsoleLogin") == "Failure"
    error = {"error_code": record.get("errorCode"), "error_message": record.get("errorMessage")}
    resources = _resources(record)
    event = {
        "action": _action(record),
        "timestamp": record.get("eventTime"),
        "status": "failed" if failed else "success",
        "category": _CATEGORIES.get(_service(record)),
        "actor": _actor(object_of(record.get("userIdentity"))),
        "resource": resources[0] if resources else {},
        "resources": resources if len(resources) > 1 else None,
        "context": _context(record),
        "status_reason": _reason(record),
        "original_action": _original_action(record),
        "changes": present(error),
        "request": object_of(record.get("requestParameters")),
        "response": response,
        "metadata": _metadata(record),
        "external_id": text_of(record, "eventID")[:LONGEST_EXTERNAL_ID],
    }
    return present(event)


def earlier_form(event: dict[str, Any]) -> dict[str, Any]:
    """The event as versions before the fields in `_ADDED` sent it: with its content such a record was imported then."""
    context = {name: value for name, value in event.get("context", {}).items() if name not in _ADDED_TO_CONTEXT}
    actor = {name: value for name, value in event.get("actor", {}).items() if name != "on_behalf_of"}
    kept = {name: value for name, value in event.items() if name not in _ADDED}
    return present(kept | {"context": context, "actor": actor})


def _metadata(record: dict[str, Any]) -> dict[str, Any]:
    return present({_RENAMED.get(name) or snake(name): record[name] for name in record if name not in _PLACED})


def _service(record: dict[str, Any]) -> str:
    return text_of(record, "eventSource").partition(".amazonaws.com")[0]


def _action(record: dict[str, Any]) -> str:
    noun, verb = snake(_service(record)), snake(text_of(record, "eventName"))
    return f"{noun or 'aws'}.{verb or 'unnamed'}"[:LONGEST_ACTION]


def _actor(identity: dict[str, Any]) -> dict[str, Any]:
    kind, arn, service = text_of(identity, "type"), text_of(identity, "arn"), text_of(identity, "invokedBy")
    issuer = object_of(object_of(identity.get("sessionContext")).get("sessionIssuer"))
    session = text_of(identity, "principalId").partition(":")[2]  # a role's session is often named for the person
    email = next((text for text in (text_of(identity, "userName"), session) if _EMAIL.fullmatch(text)), "")
    of_service = "system" if service and not arn else "user"
    return present(
        {
            "type": "user" if email else _ACTOR_TYPES.get(kind, of_service),
            "id": (text_of(identity, "principalId") or arn or text_of(identity, "accountId"))[:LONGEST],
            "name": (text_of(identity, "userName") or text_of(issuer, "userName") or _tail(arn) or service)[:LONGEST],
            "email": email[:LONGEST_EMAIL],
            "on_behalf_of": present({"id": text_of(object_of(identity.get("onBehalfOf")), "userId")[:LONGEST]}),
        }
    )


def _resources(record: dict[str, Any]) -> list[dict[str, Any]]:
    """What the call is about, the most telling first, each once: those listed, else those that parameters name."""
    listed = record.get("resources")
    if isinstance(listed, list) and listed and text_of(object_of(listed[0]), "ARN"):
        arns = [(text_of(one, "ARN"), text_of(one, "type")) for one in map(object_of, listed)]
        found = [_named(_kind(kind) or _kind_of_arn(arn), arn) for arn, kind in arns if arn]
    else:
        parameters = object_of(record.get("requestParameters"))
        found = [_named(kind, text) for name, kind in _RESOURCES.items() if (text := text_of(parameters, name))]
        name = text_of(parameters, "name")
        if name and not found:
            found = [_named(snake(_service(record)) or "aws", name)]
    return list({(one["type"], one["id"]): one for one in found}.values())[:MOST_RESOURCES]


def _reason(record: dict[str, Any]) -> str:
    """`AccessDenied: User mei is not authorized …`"""
    given = (text_of(record, "errorCode"), text_of(record, "errorMessage"))
    return ": ".join(filter(None, given))[:LONGEST_REASON]


def _original_action(record: dict[str, Any]) -> str:
    """`s3:PutBucketPolicy`, as permissions name it."""
    return ":".join(filter(None, (_service(record), text_of(record, "eventName"))))[:LONGEST_ORIGINAL_ACTION]


def _named(kind: str, identifier: str) -> dict[str, Any]:
    name = _tail(identifier) if identifier.startswith("arn:") else identifier
    return present({"type": kind[:LONGEST_TYPE], "id": identifier[:LONGEST], "name": name[:LONGEST]})


def _kind(name: str) -> str:
    """`AWS::S3::Bucket` as `s3_bucket`."""
    return "_".join(snake(part) for part in name.removeprefix("AWS::").split("::"))


def _kind_of_arn(arn: str) -> str:
    """`arn:aws:ec2:us-east-1:123456789012:instance/i-05` as `ec2_instance`."""
    _, _, service, _, _, inner, *_ = [*arn.split(":", 5), *[""] * 6]
    kind, separator, _ = inner.replace(":", "/").partition("/")
    return snake(f"{service}_{kind}" if separator else service) or "aws"


def _context(record: dict[str, Any]) -> dict[str, Any]:
    address = text_of(record, "sourceIPAddress")
    identity = object_of(record.get("userIdentity"))
    key = text_of(identity, "accessKeyId") or text_of(identity, "credentialId")
    return present(
        {
            "channel": _channel(record),
            "account": (text_of(record, "recipientAccountId") or text_of(identity, "accountId"))[:LONGEST],
            "region": text_of(record, "awsRegion")[:LONGEST],
            "auth_method": _auth_method(record, identity),
            "credential_id": key[:LONGEST],
            "session_id": key[:LONGEST] if key.startswith(_TEMPORARY_KEY) else "",
            "ip_address": address if _is_address(address) else "",
            "user_agent": text_of(record, "userAgent")[:LONGEST],
            "request_id": text_of(record, "requestID")[:LONGEST],
            "source": "" if _is_address(address) else address[:LONGEST],
        }
    )


def _channel(record: dict[str, Any]) -> str:
    kind = text_of(record, "eventType")
    if kind == "AwsServiceEvent":
        return "system"
    if kind in ("AwsConsoleSignIn", "AwsConsoleAction") or record.get("sessionCredentialFromConsole") == "true":
        return "web"
    return "cli" if text_of(record, "userAgent").startswith("aws-cli/") else "api"


def _auth_method(record: dict[str, Any], identity: dict[str, Any]) -> str:
    """How the actor signed in, if the record says so."""
    session = object_of(object_of(identity.get("sessionContext")).get("attributes"))
    used_mfa = text_of(object_of(record.get("additionalEventData")), "MFAUsed")
    if session.get("mfaAuthenticated") == "true" or used_mfa == "Yes":
        return "mfa"
    by_password = used_mfa == "No" and text_of(identity, "type") in ("IAMUser", "Root")
    return _AUTH_METHODS.get(text_of(identity, "type"), "password" if by_password else "")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _tail(arn: str) -> str:
    return re.split(r"[/:]", arn)[-1]
