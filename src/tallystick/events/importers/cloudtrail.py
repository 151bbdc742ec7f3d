"""AWS CloudTrail: the log files that a trail delivers, `{"Records": […]}`.

No field of a record is lost: what has no place in the event's own fields goes to `metadata`.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, BinaryIO

import msgspec

LONGEST = 1024  # characters of a name
LONGEST_ACTION = 100
LONGEST_TYPE = 100
LONGEST_EMAIL = 320
LONGEST_EXTERNAL_ID = 128
LONGEST_REASON = 500
LONGEST_ORIGINAL_ACTION = 200
MOST_RESOURCES = 20

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
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


def read(stream: BinaryIO) -> Iterator[dict[str, Any]]:
    """The records of one log file as events; ValueError if it is not one."""
    try:
        trail = msgspec.json.decode(stream.read())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    records = trail.get("Records") if isinstance(trail, dict) else None
    if not isinstance(records, list):
        raise ValueError('a CloudTrail log file is {"Records": […]}')
    for position, record in enumerate(records):
        if not isinstance(record, dict):
            raise ValueError(f"record {position + 1} is not an object")
        yield event_of_record(record)


def event_of_record(record: dict[str, Any]) -> dict[str, Any]:
    """One record as an event; fields that the record lacks are left out."""
    response = _object(record.get("responseElements"))
    failed = bool(record.get("errorCode")) or response.get("ConsoleLogin") == "Failure"
    error = {"error_code": record.get("errorCode"), "error_message": record.get("errorMessage")}
    resources = _resources(record)
    event = {
        "action": _action(record),
        "timestamp": record.get("eventTime"),
        "status": "failed" if failed else "success",
        "category": _CATEGORIES.get(_service(record)),
        "actor": _actor(_object(record.get("userIdentity"))),
        "resource": resources[0] if resources else {},
        "resources": resources if len(resources) > 1 else None,
        "context": _context(record),
        "status_reason": _reason(record),
        "original_action": _original_action(record),
        "changes": _present(error),
        "request": _object(record.get("requestParameters")),
        "response": response,
        "metadata": _metadata(record),
        "external_id": _text(record, "eventID")[:LONGEST_EXTERNAL_ID],
    }
    return _present(event)


def earlier_form(event: dict[str, Any]) -> dict[str, Any]:
    """The event as versions before the fields in `_ADDED` sent it: with its content such a record was imported then."""
    context = {name: value for name, value in event.get("context", {}).items() if name not in _ADDED_TO_CONTEXT}
    actor = {name: value for name, value in event.get("actor", {}).items() if name != "on_behalf_of"}
    kept = {name: value for name, value in event.items() if name not in _ADDED}
    return _present(kept | {"context": context, "actor": actor})


def _metadata(record: dict[str, Any]) -> dict[str, Any]:
    return _present({_RENAMED.get(name) or _snake(name): record[name] for name in record if name not in _PLACED})


def _service(record: dict[str, Any]) -> str:
    return _text(record, "eventSource").partition(".amazonaws.com")[0]


def _action(record: dict[str, Any]) -> str:
    noun, verb = _snake(_service(record)), _snake(_text(record, "eventName"))
    return f"{noun or 'aws'}.{verb or 'unnamed'}"[:LONGEST_ACTION]


def _actor(identity: dict[str, Any]) -> dict[str, Any]:
    kind, arn, service = _text(identity, "type"), _text(identity, "arn"), _text(identity, "invokedBy")
    issuer = _object(_object(identity.get("sessionContext")).get("sessionIssuer"))
    session = _text(identity, "principalId").partition(":")[2]  # a role's session is often named for the person
    email = next((text for text in (_text(identity, "userName"), session) if _EMAIL.fullmatch(text)), "")
    of_service = "system" if service and not arn else "user"
    return _present(
        {
            "type": "user" if email else _ACTOR_TYPES.get(kind, of_service),
            "id": (_text(identity, "principalId") or arn or _text(identity, "accountId"))[:LONGEST],
            "name": (_text(identity, "userName") or _text(issuer, "userName") or _tail(arn) or service)[:LONGEST],
            "email": email[:LONGEST_EMAIL],
            "on_behalf_of": _present({"id": _text(_object(identity.get("onBehalfOf")), "userId")[:LONGEST]}),
        }
    )


def _resources(record: dict[str, Any]) -> list[dict[str, Any]]:
    """What the call is about, the most telling first, each once: those listed, else those that parameters name."""
    listed = record.get("resources")
    if isinstance(listed, list) and listed and _text(_object(listed[0]), "ARN"):
        arns = [(_text(one, "ARN"), _text(one, "type")) for one in map(_object, listed)]
        found = [_named(_kind(kind) or _kind_of_arn(arn), arn) for arn, kind in arns if arn]
    else:
        parameters = _object(record.get("requestParameters"))
        found = [_named(kind, text) for name, kind in _RESOURCES.items() if (text := _text(parameters, name))]
        name = _text(parameters, "name")
        if name and not found:
            found = [_named(_snake(_service(record)) or "aws", name)]
    return list({(one["type"], one["id"]): one for one in found}.values())[:MOST_RESOURCES]


def _reason(record: dict[str, Any]) -> str:
    """`AccessDenied: User mei is not authorized …`"""
    given = (_text(record, "errorCode"), _text(record, "errorMessage"))
    return ": ".join(filter(None, given))[:LONGEST_REASON]


def _original_action(record: dict[str, Any]) -> str:
    """`s3:PutBucketPolicy`, as permissions name it."""
    return ":".join(filter(None, (_service(record), _text(record, "eventName"))))[:LONGEST_ORIGINAL_ACTION]


def _named(kind: str, identifier: str) -> dict[str, Any]:
    name = _tail(identifier) if identifier.startswith("arn:") else identifier
    return _present({"type": kind[:LONGEST_TYPE], "id": identifier[:LONGEST], "name": name[:LONGEST]})


def _kind(name: str) -> str:
    """`AWS::S3::Bucket` as `s3_bucket`."""
    return "_".join(_snake(part) for part in name.removeprefix("AWS::").split("::"))


def _kind_of_arn(arn: str) -> str:
    """`arn:aws:ec2:us-east-1:123456789012:instance/i-05` as `ec2_instance`."""
    _, _, service, _, _, inner, *_ = [*arn.split(":", 5), *[""] * 6]
    kind, separator, _ = inner.replace(":", "/").partition("/")
    return _snake(f"{service}_{kind}" if separator else service) or "aws"


def _context(record: dict[str, Any]) -> dict[str, Any]:
    address = _text(record, "sourceIPAddress")
    identity = _object(record.get("userIdentity"))
    key = _text(identity, "accessKeyId") or _text(identity, "credentialId")
    return _present(
        {
            "channel": _channel(record),
            "account": (_text(record, "recipientAccountId") or _text(identity, "accountId"))[:LONGEST],
            "region": _text(record, "awsRegion")[:LONGEST],
            "auth_method": _auth_method(record, identity),
            "credential_id": key[:LONGEST],
            "session_id": key[:LONGEST] if key.startswith(_TEMPORARY_KEY) else "",
            "ip_address": address if _is_address(address) else "",
            "user_agent": _text(record, "userAgent")[:LONGEST],
            "request_id": _text(record, "requestID")[:LONGEST],
            "source": "" if _is_address(address) else address[:LONGEST],
        }
    )


def _channel(record: dict[str, Any]) -> str:
    kind = _text(record, "eventType")
    if kind == "AwsServiceEvent":
        return "system"
    if kind in ("AwsConsoleSignIn", "AwsConsoleAction") or record.get("sessionCredentialFromConsole") == "true":
        return "web"
    return "cli" if _text(record, "userAgent").startswith("aws-cli/") else "api"


def _auth_method(record: dict[str, Any], identity: dict[str, Any]) -> str:
    """How the actor signed in, if the record says so."""
    session = _object(_object(identity.get("sessionContext")).get("attributes"))
    used_mfa = _text(_object(record.get("additionalEventData")), "MFAUsed")
    if session.get("mfaAuthenticated") == "true" or used_mfa == "Yes":
        return "mfa"
    by_password = used_mfa == "No" and _text(identity, "type") in ("IAMUser", "Root")
    return _AUTH_METHODS.get(_text(identity, "type"), "password" if by_password else "")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _tail(arn: str) -> str:
    return re.split(r"[/:]", arn)[-1]


def _snake(name: str) -> str:
    return _NOT_WORD.sub("_", _WORD_START.sub("_", name).lower()).strip("_")


def _text(mapping: dict[str, Any], name: str) -> str:
    value = mapping.get(name)
    return value if isinstance(value, str) else ""


def _object(value: object) -> dict[str, Any]:
    """An object as it is, nothing as an empty one, any other value as an object with that one value."""
    if isinstance(value, dict):
        return value
    return {} if value is None else {"value": value}


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value != "" and value != {}}
