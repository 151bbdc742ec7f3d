"""AWS CloudTrail: its records as events.

No field of a record is lost: what has no place in the event's own fields goes to `metadata`.
"""

import hashlib
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Any

import msgspec

from tallystick.events.importers.aws.actor import actor_of, auth_method_of, credentials_of, identity_of
from tallystick.events.importers.aws.call import CATEGORIES, event_name, service_of
from tallystick.events.importers.aws.earlier import first_form, second_form
from tallystick.events.importers.aws.fields import LONGEST_NAME, object_of, present, snake, text_of
from tallystick.events.importers.aws.forms import LISTS, OtherKindError, records_of
from tallystick.events.importers.aws.outcome import failure_of
from tallystick.events.importers.aws.resources import resources_of
from tallystick.events.importers.aws.sign_in import is_sign_in, sign_in_action, switched_role
from tallystick.events.importers.json_values import json_texts
from tallystick.events.importers.parsed import ParsedEvent
from tallystick.events.importers.shortened import shorten

LONGEST_ACTION = 100
LONGEST_EXTERNAL_ID = 128
LONGEST_REASON = 500
LONGEST_ORIGINAL_ACTION = 200

EARLIER_FORMS = (second_form, first_form)
"""What versions before made of an event's record, the newest first."""

_decode = msgspec.json.decode

# Fields of a record that become fields of the event; all others go to metadata under their name in snake case.
_PLACED = frozenset({
    "eventTime", "eventID", "errorCode", "errorMessage", "sourceIPAddress", "userAgent", "requestID",
    "requestParameters", "responseElements",
})  # fmt: skip
_RENAMED = {"awsRegion": "region", "recipientAccountId": "account"}


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
            if text_of(record, "eventTime"):
                yield ParsedEvent(location, shorten(event_of_record(record), record))
            else:
                yield ParsedEvent(location, None, "the record has no eventTime, so that nobody knows when it happened")
    except OtherKindError as problem:
        yield ParsedEvent(location, None, str(problem), foreign=True)
    except RecursionError:
        yield ParsedEvent(location, None, "nested too deeply")
    except ValueError as problem:
        yield ParsedEvent(location, None, str(problem))


def event_of_record(record: dict[str, Any]) -> dict[str, Any]:
    """One record as an event; fields that the record lacks are left out."""
    reason = failure_of(record)
    action = sign_in_action(record, failed=reason is not None)
    error = {"error_code": record.get("errorCode"), "error_message": record.get("errorMessage")}
    insight = object_of(record.get("insightDetails"))
    resources = [_unusual_call(insight)] if insight else switched_role(record) or resources_of(record)
    event = {
        "action": action or (_insight_action(insight) if insight else _action(record)),
        "timestamp": record.get("eventTime"),
        "status": "success" if reason is None else "failed",
        "category": "authentication" if is_sign_in(record) else CATEGORIES.get(service_of(record)),
        "actor": actor_of(identity_of(record)) if not insight else {"type": "system", "name": "CloudTrail Insights"},
        "resource": resources[0] if resources else {},
        "resources": resources if len(resources) > 1 else None,
        "context": _context(record),
        "status_reason": (reason or "")[:LONGEST_REASON],
        "original_action": _original_action(insight or record),
        "changes": present(error),
        "request": object_of(record.get("requestParameters")),
        "response": object_of(record.get("responseElements")),
        "metadata": _metadata(record),
        "external_id": (text_of(record, "eventID") or _hash(record))[:LONGEST_EXTERNAL_ID],
    }
    return present(event)


def _hash(record: dict[str, Any]) -> str:
    """What a record without an id is known by."""
    return f"sha256:{hashlib.sha256(msgspec.json.encode(record)).hexdigest()}"


def _metadata(record: dict[str, Any]) -> dict[str, Any]:
    return present({_RENAMED.get(name) or snake(name): record[name] for name in record if name not in _PLACED})


def _action(record: dict[str, Any]) -> str:
    noun, verb = snake(service_of(record)), snake(event_name(record))
    return f"{noun[: LONGEST_ACTION // 2] or 'aws'}.{verb or 'unnamed'}"[:LONGEST_ACTION]


def _original_action(record: dict[str, Any]) -> str:
    """`s3:PutBucketPolicy`, as permissions name it; of an insight, the call that was unusual."""
    return ":".join(filter(None, (service_of(record), text_of(record, "eventName"))))[:LONGEST_ORIGINAL_ACTION]


def _insight_action(insight: dict[str, Any]) -> str:
    """`cloudtrail.api_call_rate_insight_started` (user guide, "CloudTrail record contents for Insights events")."""
    state = {"Start": "started", "End": "ended"}.get(text_of(insight, "state"), "seen")
    return f"cloudtrail.{snake(text_of(insight, 'insightType')) or 'insight'}_{state}"[:LONGEST_ACTION]


def _unusual_call(insight: dict[str, Any]) -> dict[str, Any]:
    """The call whose rate an insight is about."""
    return {"type": "aws_call", "id": _original_action(insight) or "unnamed"}


def _context(record: dict[str, Any]) -> dict[str, Any]:
    address = text_of(record, "sourceIPAddress")
    identity = object_of(record.get("userIdentity"))
    credential, session = credentials_of(record)
    is_insight = bool(record.get("insightDetails"))
    return present(
        {
            "channel": _channel(record),
            "account": (text_of(record, "recipientAccountId") or text_of(identity, "accountId"))[:LONGEST_NAME],
            "region": text_of(record, "awsRegion")[:LONGEST_NAME],
            "auth_method": auth_method_of(record),
            "credential_id": credential,
            "session_id": session,
            "ip_address": address if _is_address(address) else "",
            "user_agent": text_of(record, "userAgent")[:LONGEST_NAME],
            "request_id": text_of(record, "requestID")[:LONGEST_NAME],
            "trace_id": text_of(record, "sharedEventID")[:LONGEST_NAME] if is_insight else "",
            "source": "" if _is_address(address) else address[:LONGEST_NAME],
        }
    )


def _channel(record: dict[str, Any]) -> str:
    kind = text_of(record, "eventType").lower()
    if kind in ("awsserviceevent", "awscloudtrailinsight"):
        return "system"
    if kind in ("awsconsolesignin", "awsconsoleaction") or record.get("sessionCredentialFromConsole") in ("true", True):
        return "web"
    return "cli" if text_of(record, "userAgent").startswith("aws-cli/") else "api"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text
