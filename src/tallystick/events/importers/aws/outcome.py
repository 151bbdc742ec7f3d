"""Whether a record tells of a failure, and why.

"Some AWS services provide the errorCode and errorMessage as top-level fields in the event. Other AWS services provide
error information as part of responseElements" (user guide, "CloudTrail record contents"); sign-ins answer `Failure`
there or in `serviceEventDetails` ("AWS Management Console sign-in events"; IAM Identity Center user guide,
"Understanding IAM Identity Center sign-in events"); EC2 answers `_return`; calls for many things list those that
failed.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from tallystick.events.importers.aws.fields import member_name, object_of, text_of

_PARTS = ("responseElements", "serviceEventDetails", "additionalEventData")
_MOST_MEMBERS = 500
_SUCCESS = frozenset({"", "success", "ok", "none", "0", "200", "null", "noerror", "no_error"})
_FAILURE = frozenset({"failure", "failed", "fail"})
_BAD_STATES = _FAILURE | {"error", "denied", "rejected", "timedout", "timed_out", "aborted", "unauthorized", "blocked"}
_STATES = frozenset({"status", "state", "result", "outcome", "decision"})
_ERRORS = frozenset({
    "error", "error_code", "error_message", "error_type", "error_details", "exception", "failure_reason",
    "failure_code", "failure_message", "fault", "fault_code",
})  # fmt: skip
_LISTS = frozenset({"failures", "errors", "failed_entries", "failed_items", "failed", "unsuccessful"})
_COUNTS = frozenset({"failed_entry_count", "failed_record_count", "failed_put_count", "failure_count"})
_STATUS_CODES = frozenset({"status_code", "http_status_code", "http_status", "response_code"})
_FAILED_NAME = re.compile(r"(?:Failed|Failure|Abandoned|TimedOut|Denied|Blocked)$")
_RESULT = re.compile(r"_(?:response|result)$")


def failure_of(record: Mapping[str, Any]) -> str | None:
    """Why the record's call failed, such as `AccessDenied: not authorized`; None if it did not."""
    code, message = _text(record.get("errorCode")), _text(record.get("errorMessage"))
    if code.lower() in _SUCCESS:
        code = ""
    if code or message:
        return ": ".join(filter(None, (code, message)))
    for part in _PARTS:
        if found := next(_failures(object_of(record.get(part)), 0), ""):
            return found
    name = text_of(record, "eventName")
    is_service_event = text_of(record, "eventType") == "AwsServiceEvent"
    return name if is_service_event and _FAILED_NAME.search(name) else None


def _failures(members: Mapping[str, Any], depth: int) -> Iterator[str]:
    """What in an answer says that the call failed."""
    for key, value in islice(members.items(), _MOST_MEMBERS):
        name = member_name(key)
        word = _text(value).strip().lower()
        if word in _FAILURE or (word in _BAD_STATES and name.rpartition("_")[2] in _STATES):
            yield f"{key}: {_text(value)}"
        elif name in _ERRORS:
            yield from _errors(value)
        elif name in _COUNTS and word.isdecimal() and word.strip("0"):
            yield f"{key}: {word}"
        elif name in _LISTS and value:
            first = value[0] if isinstance(value, list) and isinstance(value[0], dict) else object_of(value)
            yield next(filter(None, map(_text, first.values())), "") or f"{key}: {_text(value) or 'not empty'}"
        elif name in ("return", "_return") and word == "false":
            yield f"{key}: false"
        elif name in _STATUS_CODES and word.isdecimal() and 400 <= int(word[:4]) < 600:
            yield f"{key}: {word}"
        elif isinstance(value, dict) and depth < 2 and (_RESULT.search(name) or name in _PARTS):
            yield from _failures(value, depth + 1)


def _errors(value: Any) -> Iterator[str]:
    """What stands under the name of an error, unless it says that there is none."""
    if isinstance(value, dict):
        if text := ": ".join(filter(None, map(_text, value.values()))):
            yield text
    elif (text := _text(value)) and text.lower() not in (*_SUCCESS, "false"):
        yield text


def _text(value: Any) -> str:
    """A text, number or truth value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else ""
