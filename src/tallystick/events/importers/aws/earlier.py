"""The events that earlier versions made of records: with its content such a record may be known.

Nothing of a record is lost in its event, so that the record is read from the event again.
"""

import re
from collections.abc import Mapping
from typing import Any

from tallystick.events.importers.aws.call import CATEGORIES, service_of
from tallystick.events.importers.aws.fields import LONGEST_EMAIL, LONGEST_NAME, object_of, present, snake, text_of

_LONGEST_ACTION = 100
_LONGEST_REASON = 500
_LONGEST_TYPE = 100
_MOST_RESOURCES = 20
_EMAIL = re.compile(r"[^\s@:]+@[^\s@:]+\.[^\s@:]+")
_TEMPORARY_KEY = "ASIA"

# What the first version did not give.
_ADDED = frozenset({"status_reason", "original_action", "resources"})
_ADDED_TO_CONTEXT = frozenset({"channel", "account", "region", "auth_method", "credential_id", "session_id"})

_ACTOR_TYPES = {
    "AssumedRole": "service_account",
    "Role": "service_account",
    "AWSAccount": "service_account",
    "AWSService": "system",
    "Unknown": "anonymous",
}

# The parameters that it knew.
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


def second_form(event: dict[str, Any]) -> dict[str, Any]:
    """The event with one resource for each parameter in `_RESOURCES`, and failures only by error codes."""
    record = _record_of(event)
    resources = _resources(record)
    failed = bool(record.get("errorCode")) or record["responseElements"].get("ConsoleLogin") == "Failure"
    given = (text_of(record, "errorCode"), text_of(record, "errorMessage"))
    context = {name: value for name, value in event["context"].items() if name not in ("session_id", "trace_id")}
    key = text_of(context, "credential_id")
    return present(
        event
        | {
            "action": _action(record),
            "category": CATEGORIES.get(service_of(record)),
            "status": "failed" if failed else "success",
            "actor": _actor(object_of(record.get("userIdentity"))),
            "resource": resources[0] if resources else {},
            "resources": resources if len(resources) > 1 else None,
            "context": context | ({"session_id": key} if key.startswith(_TEMPORARY_KEY) else {}),
            "status_reason": ": ".join(filter(None, given))[:_LONGEST_REASON],
        }
    )


def first_form(event: dict[str, Any]) -> dict[str, Any]:
    """The event with who, what and where alone."""
    second = second_form(event)
    context = {name: value for name, value in second.get("context", {}).items() if name not in _ADDED_TO_CONTEXT}
    actor = {name: value for name, value in second.get("actor", {}).items() if name != "on_behalf_of"}
    kept = {name: value for name, value in second.items() if name not in _ADDED}
    return present(kept | {"context": context, "actor": actor})


def _record_of(event: Mapping[str, Any]) -> dict[str, Any]:
    metadata, changes = event.get("metadata", {}), event.get("changes", {})
    return {
        "eventSource": metadata.get("event_source"),
        "eventName": metadata.get("event_name"),
        "userIdentity": metadata.get("user_identity"),
        "resources": metadata.get("resources"),
        "errorCode": changes.get("error_code"),
        "errorMessage": changes.get("error_message"),
        "requestParameters": event.get("request", {}),
        "responseElements": event.get("response", {}),
    }


def _action(record: Mapping[str, Any]) -> str:
    noun, verb = snake(service_of(record)), snake(text_of(record, "eventName"))
    return f"{noun or 'aws'}.{verb or 'unnamed'}"[:_LONGEST_ACTION]


def _actor(identity: dict[str, Any]) -> dict[str, Any]:
    kind, arn, service = text_of(identity, "type"), text_of(identity, "arn"), text_of(identity, "invokedBy")
    issuer = object_of(object_of(identity.get("sessionContext")).get("sessionIssuer"))
    session = text_of(identity, "principalId").partition(":")[2]  # a role's session is often named for the person
    email = next((text for text in (text_of(identity, "userName"), session) if _EMAIL.fullmatch(text)), "")
    of_service = "system" if service and not arn else "user"
    return present(
        {
            "type": "user" if email else _ACTOR_TYPES.get(kind, of_service),
            "id": (text_of(identity, "principalId") or arn or text_of(identity, "accountId"))[:LONGEST_NAME],
            "name": (text_of(identity, "userName") or text_of(issuer, "userName") or _tail(arn) or service)[
                :LONGEST_NAME
            ],
            "email": email[:LONGEST_EMAIL],
            "on_behalf_of": present({"id": text_of(object_of(identity.get("onBehalfOf")), "userId")[:LONGEST_NAME]}),
        }
    )


def _user_name(identity: Mapping[str, Any]) -> str:
    return text_of(identity, "userName")


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
            found = [_named(snake(service_of(record)) or "aws", name)]
    return list({(one["type"], one["id"]): one for one in found}.values())[:_MOST_RESOURCES]


def _named(kind: str, identifier: str) -> dict[str, Any]:
    name = _tail(identifier) if identifier.startswith("arn:") else identifier
    return present({"type": kind[:_LONGEST_TYPE], "id": identifier[:LONGEST_NAME], "name": name[:LONGEST_NAME]})


def _kind(name: str) -> str:
    """`AWS::S3::Bucket` as `s3_bucket`."""
    return "_".join(snake(part) for part in name.removeprefix("AWS::").split("::"))


def _kind_of_arn(arn: str) -> str:
    """`arn:aws:ec2:us-east-1:123456789012:instance/i-05` as `ec2_instance`."""
    _, _, service, _, _, inner, *_ = [*arn.split(":", 5), *[""] * 6]
    kind, separator, _ = inner.replace(":", "/").partition("/")
    return snake(f"{service}_{kind}" if separator else service) or "aws"


def _tail(arn: str) -> str:
    return re.split(r"[/:]", arn)[-1]
